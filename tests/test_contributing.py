"""Apply every example of CONTRIBUTING.md to a copy of the source, and check that it works there."""

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from tiny_pets import LISTS, REPOSITORY, write_tiny_pets

from pipeline.core.params import read_section
from pipeline.data.images import load_mask
from pipeline.data.pairs import mask_path
from stages.download import DownloadParams, download

PAGE = (REPOSITORY / "CONTRIBUTING.md").read_text()
# A block of Python or a diff, with the paragraph above it.
BLOCK = re.compile(r"((?:[^\n]+\n)*)\n```(python|diff)\n(.*?)```", re.DOTALL)
COPIED = ("pipeline", "stages", "tests/test_dvc_yaml.py",
          "dvc.yaml", "dvc.lock", "params.yaml", "pyproject.toml")  # fmt: skip

# Runs in a process of its own, which imports the changed copy instead of the repository.
CHANGED_MODEL = """
import json
import numpy, torch
from pipeline.model.settings import ModelParams
from pipeline.model.unet import UNet
from pipeline.scoring.measure import BINS
from pipeline.scoring.measure import Measured
from pipeline.scoring.tables import headline, score_table

counts = numpy.array([[[6, 1, 1], [2, 8, 0], [0, 1, 3]]])
flags = numpy.array([False])
measured = Measured(counts, counts[:, 0, :2], numpy.ones((1, BINS, 3)), flags * 1.0, flags)
network = UNet(ModelParams((4, 8), encoder="strided"))
maps = network.encoder(torch.zeros(1, 3, 20, 12))
print(json.dumps({
    "precision": headline(score_table(measured), 1)["precision"],
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
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
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


def test_the_data_set_is_fetched_from_the_address_in_params(changed, tmp_path):
    params = (changed / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(params.replace("/data/pairs/", f"{tmp_path}/"))
    for stem in ("images", "annotations"):
        with tarfile.open(tmp_path / f"{stem}.tar.gz", "w:gz") as archive:
            archive.add(changed / "dvc.yaml", f"{stem}/anything")
    mine = read_section("download", DownloadParams, tmp_path / "params.yaml").datasets["mine"]
    download(mine, tmp_path / "raw", tmp_path / "cache")
    fetched = sorted(file.name for file in (tmp_path / "raw").iterdir())
    assert fetched == ["annotations.tar.gz", "images.tar.gz"]
