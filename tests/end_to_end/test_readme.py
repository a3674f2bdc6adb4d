"""Every command in the README and in two of its pages runs, in its order, in a clone with tiny
params; the README's picture of the pipeline is dvc.yaml's.

A few are replaced by what can be run anywhere: the official archives come from a server on this
machine, which is also the second of two machines, and pages are fetched, not looked at.
"""

import re
from pathlib import Path

import pytest
import requests
import yaml
from servers import wait_for
from tiny_pets import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
PAGES = [README, *((REPOSITORY / f"docs/{name}.md").read_text() for name in ("training", "models"))]
COMMANDS = [
    line
    for page in PAGES
    for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    for line in block.strip().splitlines()
]
STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
SERVED = {  # served until stopped: where, and what is on them
    "make ui": ("http://127.0.0.1:5000", "MLflow"),
    "make app": ("http://127.0.0.1:8501", "Streamlit"),
    "make serve": ("http://127.0.0.1:5001/health", "\n"),
}
TINY = "train.epochs=1 train.image_size=32 train.batch_size=16"


def test_the_readme_begins_with_the_two_commands():
    assert COMMANDS[:2] == ["make", "make test"]


def test_the_diagram_has_an_arrow_from_each_stage_to_those_that_read_its_outputs():
    arrows = set(re.findall(r"^  (\w+) --> (\w+)$", README, re.MULTILINE))
    assert arrows == {
        (source, reader) for source in STAGES for reader in STAGES if reads(reader, source)
    }


def reads(reader, source):
    """Whether a stage depends on an output of another, or on something in it."""
    entry = STAGES[source]
    outputs = [next(iter(each)) if isinstance(each, dict) else each
               for each in (*entry.get("outs", []), *entry.get("metrics", []))]  # fmt: skip
    return any(Path(dep).is_relative_to(out) for dep in STAGES[reader]["deps"] for out in outputs)


def test_the_table_has_a_row_for_each_stage():
    assert re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE) == list(STAGES)


@pytest.mark.slow
def test_every_command_runs(clone, server, tmp_path):
    """In one test, since they build on one another as the pages tell them."""
    archives = official_archives(clone, server, tmp_path)
    for command in COMMANDS:
        if command == "make test":
            continue  # this is it
        if command in SERVED:
            look_at_the_page(clone, command, *SERVED[command])
        elif command == "make oxford":
            clone.run(f"{command} {archives.from_server} SET='{TINY}'")
        elif command.startswith("make oxford"):
            [settings] = re.findall(r"SETTINGS=\S+", command)
            clone.run(f"make oxford {archives.from_disk} {settings} SET='{TINY}'")
        elif "train.epochs=200" in command:
            shrunk = command.replace("=200", "=1").replace("64, 128, 256, 512", "4, 8, 8, 16")
            clone.run(shrunk)
        elif command.startswith("make sweep"):
            plan = clone.root / "experiments/sweep.yaml"
            plan.write_text(plan.read_text().replace("[0.0, 0.5, 1.0]", "[0.5]"))
            clone.run(command)
        elif command.startswith("torchrun"):
            second = command.replace("--node-rank=0", "--node-rank=1")
            clone.run(f"{second} & second=$!; {command} && wait $second")
        elif command == "dvc queue start --jobs 2":
            clone.run(
                f"{command}; while dvc queue status | grep -qE 'Running|Queued'; do sleep 1; done"
            )
            assert "Failed" not in clone.run("dvc queue status")
        else:
            clone.run(command)


class Archives:
    """Two archives in the official layout, as arguments of `make oxford`."""

    def __init__(self, folder: Path, url: str) -> None:
        self.from_disk = f"IMAGES={folder}/images.tar ANNOTATIONS={folder}/annotations.tar"
        self.from_server = f"IMAGES={url}/images.tar ANNOTATIONS={url}/annotations.tar"


def official_archives(clone, server, tmp_path):
    """The clone's sample, served as the official archives are."""
    clone.run("dvc repro download")
    for name in ("images.tar", "annotations.tar"):
        content = (clone.root / "data/raw" / name).read_bytes()
        server.files[f"/{name}"] = content
        (tmp_path / name).write_bytes(content)
    return Archives(tmp_path, server.url)


def look_at_the_page(clone, command, address, content):
    """Fetch the page that the command serves, as soon as it is up."""
    with clone.running(command):
        wait_for(address)
        assert content in requests.get(address, timeout=5).text
