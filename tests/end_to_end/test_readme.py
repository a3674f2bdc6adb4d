"""Every command in the README and in two of its pages runs, in a clone with tiny params; the
README's picture of the pipeline is dvc.yaml's.

The commands below one heading run in their order, in a clone that has run `make`. A few are
replaced by what can be run anywhere: the official archives come from a server on this machine,
which is also the second of two machines, and pages are fetched, not looked at.
"""

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
import requests
import yaml
from clone import ALL_STAGES, stages_run
from servers import wait_for
from tiny_pets import REPOSITORY

from pipeline.core.params import load_yaml

NAMES = ("README", "docs/pipeline", "docs/evaluation", "docs/training", "docs/models")
PAGES = [(REPOSITORY / f"{name}.md").read_text() for name in NAMES]
COMMANDS = {
    section.partition("\n")[0]: [
        line
        for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
        for line in block.strip().splitlines()
    ]
    for page in PAGES
    for section in re.split("^##? ", page, flags=re.MULTILINE)
    if "```sh" in section
}
STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
SERVED = {  # served until stopped: where, and what is on them
    "make ui": ("http://127.0.0.1:5000", "MLflow"),
    "make app": ("http://127.0.0.1:8501", "Streamlit"),
    "make serve": ("http://127.0.0.1:5001/health", "\n"),
}
TINY = "train.epochs=1 train.image_size=32 train.batch_size=16"
SHRUNK = {"=200": "=1", "64, 128, 256, 512": "4, 8, 8, 16", "lr=0.0005,0.001,": "lr=0.001,"}


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


@pytest.mark.slow
@pytest.mark.parametrize("heading", COMMANDS)
def test_every_command_runs(finished, server, tmp_path, heading):
    clone = finished.copy(tmp_path / "petseg")
    for command in COMMANDS[heading]:
        run(clone, server, command)
    if any(command.startswith("dvc exp run") for command in COMMANDS[heading]):
        every_experiment_has_one_run(clone)


def run(clone, server, command):
    if command in SERVED:
        look_at_the_page(clone, command, *SERVED[command])
    elif command == "dvc queue start --jobs 2":
        clone.run_queue(jobs=2)
    elif command == "make verify VERSION=1":
        rebuilt_from_nothing(clone, command)
    elif command == "dvc exp run -S train.epochs=2":
        assert stages_run(clone.run(command)) == ["train", "evaluate", "export"]
    elif command != "make test":  # this is it
        clone.run(replaced(clone, server, command))


def replaced(clone, server, command):
    """The command as it can be run here."""
    if command.startswith("make oxford"):
        options = re.sub(r"\b(IMAGES|ANNOTATIONS)=\S+", "", command)
        archives = official_archives(clone, server if command == "make oxford" else None)
        return f"{options} {archives} SET='{TINY}'"
    if command.startswith("torchrun"):
        second = command.replace("--node-rank=0", "--node-rank=1")
        return f"{second} & second=$!; {command} && wait $second"
    if command.startswith("make sweep"):
        plan = clone.root / "experiments/sweep.yaml"
        # What an experiment before has done: DVC takes it from its cache.
        plan.write_text(re.sub(r"\[.*(0.001|1.0)\b.*\]", r"[\1]", plan.read_text()))
    for large, small in SHRUNK.items():
        command = command.replace(large, small)
    return command


def look_at_the_page(clone, command, address, content):
    """Fetch the page that the command serves, as soon as it is up."""
    with clone.running(command):
        wait_for(address)
        assert content in requests.get(address, timeout=5).text


def official_archives(clone, server=None):
    """The clone's sample as archives in the official layout, on the server or on the disk."""
    place = clone.root.parent
    for name in ("images.tar", "annotations.tar"):
        content = (clone.root / "data/raw" / name).read_bytes()
        if server:
            server.files[f"/{name}"], place = content, server.url
        else:
            (place / name).write_bytes(content)
    return f"IMAGES={place}/images.tar ANNOTATIONS={place}/annotations.tar"


def rebuilt_from_nothing(clone, verify):
    """Verifying a version runs every stage, gives the same bytes, and leaves nothing behind."""
    runs = len(clone.runs())
    output = clone.run(verify)
    assert sorted(stages_run(output)) == sorted(ALL_STAGES)
    assert "identical: checkpoint.pth, model.onnx, model.int8.onnx" in output
    assert "differs" not in output
    assert "unknown" not in output
    assert len(clone.runs()) == runs
    assert clone.run("git status --porcelain --untracked-files=all") == ""
    assert len(clone.run("git worktree list").splitlines()) == 1


def every_experiment_has_one_run(clone):
    """Each kind of experiment lands in the repository's store, finished and with its artifacts."""
    runs = clone.runs()
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {clone.experiment_of(run) for run in runs} == {"petseg"}
    for each in runs:
        folder = Path(unquote(urlparse(each.info.artifact_uri).path))
        assert clone.root / "mlartifacts" in folder.parents
        assert (folder / "plots/train/curves.csv").stat().st_size > 0
    shown = json.loads(clone.run("dvc exp show --json"))
    experiments = [each for revision in shown for each in revision["experiments"] or []]
    assert experiments
    for data in (each["revs"][0]["data"] for each in experiments):
        params = data["params"]["params.yaml"]["data"]
        matching = [each for each in runs if trained_with(params, each)]
        assert len({each.data.tags["checkpoint.sha256"] for each in matching}) == 1
        miou = data["metrics"]["metrics/evaluate.json"]["data"]["miou"]
        scored = next(each for each in matching if "test.miou" in each.data.metrics)
        assert scored.data.metrics["test.miou"] == pytest.approx(miou, abs=1e-6)


def trained_with(params, run):
    """Whether the run has these params of its training and its model."""
    return all(
        (text := run.data.params[f"{section}.{name}"]) == str(value) or load_yaml(text) == value
        for section in ("train", "model")
        for name, value in params[section].items()
        if not isinstance(value, dict)
    )
