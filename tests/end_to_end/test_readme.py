"""Every command in the README and in eight of its pages runs, in a clone with tiny params; the
README's picture of the pipeline is dvc.yaml's.

The commands below one heading, and all of the tutorial's, run in their order, in a clone that has
run `make`. A few are replaced by what can be run anywhere: the sample stands for the official
archives, this machine is also the second of two, pages are fetched, not looked at, and a training
that another heading does is only put into the queue.
"""

import csv
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
import requests
import yaml
from clone import ALL_STAGES, stages_run
from PIL import Image
from servers import wait_for
from tiny_pets import REPOSITORY

from pipeline.data.images import load_mask
from pipeline.ingest.decisions import Held, Review, change

NAMES = ("README", "docs/pipeline", "docs/evaluation", "docs/training", "docs/models")
NAMES += ("docs/datasets", "docs/labels", "docs/review")
NIGHTLY = pytest.mark.nightly  # the pages: the README is walked for every change
OWN_TEST = "CVAT"  # tests/tools/test_exchange_labels.py
PAGES = [(REPOSITORY / f"{name}.md").read_text() for name in NAMES]
SECTIONS = [each for page in PAGES for each in re.split("^##? ", page, flags=re.MULTILINE)]
SECTIONS.append((REPOSITORY / "docs/tutorial.md").read_text().removeprefix("# "))
COMMANDS = {
    section.partition("\n")[0]: [
        line
        for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
        for line in block.strip().splitlines()
    ]
    for section in SECTIONS
    if "```sh" in section and not section.startswith(OWN_TEST)
}
HEADINGS = [
    pytest.param(each, marks=pytest.mark.slow if f"\n## {each}\n" in PAGES[0] else NIGHTLY)
    for each in COMMANDS
]
STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
SERVED = {  # served until stopped: where, and what is on them
    "make ui": ("http://127.0.0.1:5000", "MLflow"),
    "make app": ("http://127.0.0.1:8501", "Streamlit"),
    "make serve": ("http://127.0.0.1:5001/health", '"status":"ready"'),
}
TINY = "train.epochs=1 train.image_size=32 train.batch_size=16 train.processes=1"
TINY += " train.augmentation.crop_size=null"
# Their trainings are those of other commands and tests, with other settings: here they are put into
# DVC's queue, which reads the settings.
QUEUED = (
    "dvc exp run -S train.lr=0.001",
    "dvc exp run -S 'model.features=[64, 128, 256, 512]'",
    "dvc exp run -S model.encoder=efficientnet_lite0",
    "dvc exp run -S train.processes=2",
)


def test_the_readme_begins_with_two_commands_and_its_diagram_and_table_are_dvcs():
    assert next(iter(COMMANDS.values()))[:2] == ["make", "make test"]
    arrows = set(re.findall(r"^  (\w+) --> (\w+)$", PAGES[1], re.MULTILINE))
    assert arrows == {
        (source, reader) for source in STAGES for reader in STAGES if reads(reader, source)
    }
    assert re.findall(r"^\| `(\w+)` \|", PAGES[1], re.MULTILINE) == list(STAGES), "the table"


def reads(reader, source):
    """Whether a stage depends on an output of another, or on something in it."""
    entry = STAGES[source]
    outputs = [next(iter(each)) if isinstance(each, dict) else each
               for each in (*entry.get("outs", []), *entry.get("metrics", []))]  # fmt: skip
    return any(Path(dep).is_relative_to(out) for dep in STAGES[reader]["deps"] for out in outputs)


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_command_runs(finished, tmp_path, heading):
    clone = finished.copy(tmp_path / "petseg")
    for command in COMMANDS[heading]:
        run(clone, command)
    if clone.run("dvc exp list --name-only"):
        every_experiment_is_a_finished_run(clone)


def run(clone, command):
    if command in SERVED:
        look_at_the_page(clone, command, *SERVED[command])
    elif command.startswith("curl"):
        with clone.running("make serve"):
            wait_for(SERVED["make serve"][0])
            assert "version" in clone.run(command)
    elif command == "dvc queue start --jobs 2":
        clone.run_queue(jobs=2)
    elif command == "make verify VERSION=1":
        rebuilt_from_nothing(clone, command)
    elif command == "make doctor":
        assert "All is well" in clone.run(command)
    elif command == "dvc exp run -S train.epochs=2":
        assert stages_run(clone.run(command)) == ["train", "evaluate", "export"]
    elif command not in ("make", "make test"):  # the clone has run the one, this is the other
        clone.run(replaced(clone, command))


def replaced(clone, command):
    """The command as it can be run here."""
    here = f"file://{clone.root}/"  # tests/tools/test_predict_store.py has a server
    command = command.replace("s3://bucket/photographs/", f"{here}data/pairs/images/")
    command = command.replace("s3://bucket/", f"{here}results/")
    if command.startswith("make oxford"):
        clone.run("cp data/raw/*.tar ..")  # the sample, in the official layout
        options = re.sub(r"\b(IMAGES|ANNOTATIONS)=\S+", "", command)
        return f"{options} IMAGES=../images.tar ANNOTATIONS=../annotations.tar SET='{TINY}'"
    if "leaves" in command:
        write_leaves(clone, clone.root.parent / "leaves")
        command = re.sub(r"\bSET=.*", f"SET='{TINY}'", command.replace("~/leaves", "../leaves"))
    if command == "python -m benchmarks.labels":
        return f"{command} --seeds 1"
    if command.startswith("git add labels"):
        leave_out_a_pair(clone)
    if command.startswith("torchrun"):
        second = command.replace("--node-rank=0", "--node-rank=1")
        return f"{second} & second=$!; {command} && wait $second"
    if command.startswith("make sweep"):
        return shorter_sweep(clone, command)
    if command.startswith(QUEUED):
        return command.replace("exp run", "exp run --queue")
    return command.replace("lr=0.0005,0.001,", "lr=0.001,")  # two of the queue's three


def shorter_sweep(clone, command):
    """The command, with one training in the plan, or two trials in the search."""
    plan = clone.root / command.split("SWEEP=")[1].split()[0]
    if plan.name == "search.yaml":
        plan.write_text(plan.read_text().replace("trials: 9", "trials: 2").replace("[2, 6]", "[1]"))
        return f'{command} SET="train.epochs=2"'
    # What an experiment of the queue has trained: DVC takes it from its cache.
    plan.write_text(re.sub(r"\[.*(0.001|1.0)\b.*\]", r"[\1]", plan.read_text()))
    return command.replace("epochs=2", "epochs=1")


def leave_out_a_pair(clone):
    """What a reviewer's key writes."""
    with (clone.root / "data/pairs/index.csv").open() as index:
        row = next(csv.DictReader(index))
    review = Review(row["name"], row["mask_sha256"], "leave out", "Ann", "two animals")
    change(clone.root / "labels", row["name"], Held(), Held(review))


def write_leaves(clone, folder):
    """Somebody's pictures, with masks of 0 and 255: the sample's, with the pets for leaves."""
    if folder.exists():
        return
    shutil.copytree(clone.root / "data/pairs/images", folder / "images")
    (folder / "masks").mkdir()
    for file in (clone.root / "data/pairs/masks").iterdir():
        pet = load_mask(file) == 0
        Image.fromarray(pet.astype("uint8") * 255).save(folder / "masks" / file.name)


def look_at_the_page(clone, command, address, content):
    """Fetch the page that the command serves, as soon as it is up."""
    with clone.running(command):
        wait_for(address)
        assert content in requests.get(address, timeout=5).text


def rebuilt_from_nothing(clone, verify):
    """Verifying a version runs every stage, gives the same bytes, and leaves nothing behind."""
    runs = len(clone.runs())
    output = clone.run(verify)
    assert sorted(stages_run(output)) == sorted(ALL_STAGES)
    assert "identical: checkpoint.pth, model.onnx, model.int8.onnx" in output
    assert "differs" not in output
    assert "unknown" not in output
    assert "petseg-verify-" not in output, "a folder that is gone"
    assert len(clone.runs()) == runs
    assert clone.run("git status --porcelain --untracked-files=all") == ""
    assert len(clone.run("git worktree list").splitlines()) == 1


def every_experiment_is_a_finished_run(clone):
    """Each kind of experiment lands in the repository's store, finished and with its artifacts.

    Except for the trials of a search that are paused.
    """
    runs = [run for run in clone.runs() if "training.paused_after" not in run.data.tags]
    assert {run.info.status for run in runs} == {"FINISHED"}
    experiment = clone.client.get_experiment_by_name("petseg")
    assert {run.info.experiment_id for run in runs} == {experiment.experiment_id}
    for each in runs:
        folder = Path(unquote(urlparse(each.info.artifact_uri).path))
        assert clone.root / "mlartifacts" in folder.parents
        assert (folder / "plots/train/curves.csv").stat().st_size > 0
    scores = [run.data.metrics["test.miou"] for run in runs if "test.miou" in run.data.metrics]
    shown = json.loads(clone.run("dvc exp show --json --hide-queued"))
    for experiment in [each for revision in shown for each in revision["experiments"] or []]:
        metrics = experiment["revs"][0]["data"]["metrics"]
        miou = metrics["metrics/evaluate.json"]["data"]["miou"]
        assert any(score == pytest.approx(miou, abs=1e-6) for score in scores)
