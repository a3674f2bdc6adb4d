"""Apply every example of CONTRIBUTING.md to a copy of the source, and check that it works there."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from processes import run_python
from tiny_pets import LISTS, REPOSITORY, write_tiny_pets

from pipeline.data.images import load_mask
from pipeline.data.pairs import mask_path

PAGE = (REPOSITORY / "CONTRIBUTING.md").read_text()
# A block of Python or a diff, with the paragraph above it.
BLOCK = re.compile(r"((?:[^\n]+\n)*)\n```(python|diff)\n(.*?)```", re.DOTALL)
COPIED = ("pipeline", "stages", "datasets", "tests/test_dvc_yaml.py",
          "dvc.yaml", "dvc.lock", "params.yaml", "pyproject.toml")  # fmt: skip

# Runs in a process of its own, which imports the changed copy instead of the repository.
CHANGED_MODEL = """
import json
from pathlib import Path
import numpy, torch
from pipeline.model.settings import ModelParams
from pipeline.model.unet import UNet
from pipeline.data.description import read_description
from pipeline.scoring.confusion import margins
from pipeline.scoring.measure import BINS, Measured, reading_margins
from pipeline.scoring.tables import headline, headline_words, score_table

classes = read_description(Path("datasets/sample.yaml")).to_classes("sample")
counts = numpy.array([[6, 1, 1], [2, 8, 0], [0, 1, 3]])
measured = Measured(
    margins=margins(counts)[None],
    readings=reading_margins(counts, classes)[None],
    boundary=numpy.ones((1, 1, 2)),
    bins=numpy.ones((1, BINS, 3)),
    brightness=numpy.ones(1),
    touches_frame=numpy.array([False]),
    confusion=counts,
)
network = UNet(ModelParams((4, 8), encoder="strided"), 3)
maps = network.encoder(torch.zeros(1, 3, 20, 12))
print(json.dumps({
    "precision": headline(score_table(measured, classes), 1, classes)["precision"],
    "maps": [list(each.shape) for each in maps],
    "logits": list(network(torch.zeros(1, 3, 21, 13)).shape),
}))
"""


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source with every example added."""
    root = tmp_path_factory.mktemp("changed")
    subprocess.run(["cp", "--recursive", "--parents", *COPIED, root], cwd=REPOSITORY, check=True)
    for words, kind, block in BLOCK.findall(PAGE):
        if names := re.findall(r"`([\w/]+\.(?:py|yaml))`", words):
            file = root / names[-1]  # the last one named above the block
        if kind == "python":
            assert not file.exists()
            file.write_text(block)
        else:
            edit(file, block.splitlines(keepends=True))
    return root


def edit(file: Path, lines: list[str]) -> None:
    """Apply one diff, whose old lines must occur exactly once in the file."""
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    text = file.read_text()
    assert text.count(before) == 1, f"{file.name} must have this once:\n{before}"
    file.write_text(text.replace(before, after))


def run(folder: Path, *arguments: str) -> str:
    """Run Python in the folder, on its own sources, and return the output."""
    done = run_python(*arguments, cwd=folder, PYTHONPATH=str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_dvc_yaml_covers_whatever_the_changed_stages_import_and_read(changed):
    run(changed, "-m", "pytest", "-q", "tests/test_dvc_yaml.py", "-k", "not lock")


def test_the_added_files_pass_the_linter(changed):
    run(changed, "-m", "ruff", "check", ".")
    run(changed, "-m", "ruff", "format", "--check", ".")


def test_the_stage_counts_the_pixels_of_its_list(changed):
    write_tiny_pets(changed)
    run(changed, "-m", "stages.classes", "data/pairs", "data/splits", "metrics/classes.json")
    pixels = [load_mask(mask_path(changed / "data/pairs", name)).ravel() for name in LISTS["train"]]
    counted = np.unique(np.concatenate(pixels), return_counts=True)[1]
    written = json.loads((changed / "metrics/classes.json").read_text())
    assert list(written.values()) == counted.tolist()


def test_the_metric_is_a_headline_and_the_encoder_builds_a_u_net(changed):
    printed = json.loads(run(changed, "-c", CHANGED_MODEL))
    expected = {"pet": 6 / 8, "background": 8 / 10, "border": 3 / 4}
    assert printed["precision"] == pytest.approx(expected)
    assert printed["maps"] == [[1, 4, 20, 12], [1, 8, 10, 6], [1, 16, 5, 3]]
    assert printed["logits"] == [1, 3, 21, 13]
