"""What CONTRIBUTING.md adds as examples can be added by doing what it says, and then works."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from tiny_pets import LISTS, REPOSITORY, write_tiny_pets

from pipeline.core.params import read_section
from pipeline.data.pets import load_mask, mask_path
from stages.download import DownloadParams, download

PAGE = (REPOSITORY / "CONTRIBUTING.md").read_text()
# A block of code or of changes, with the paragraph above it.
BLOCK = re.compile(r"((?:[^\n]+\n)*)\n```(python|diff)\n(.*?)```", re.DOTALL)
COPIED = ("pipeline", "stages", "dvc.yaml", "dvc.lock", "params.yaml", "pyproject.toml")

# In a process of its own, since it imports the changed copy instead of the repository.
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
    """A copy of the source in which every example was added."""
    root = tmp_path_factory.mktemp("changed")
    for name in COPIED:
        source, ignored = REPOSITORY / name, shutil.ignore_patterns("__pycache__")
        copy = shutil.copyfile if source.is_file() else shutil.copytree
        copy(source, root / name, **({} if source.is_file() else {"ignore": ignored}))
    (root / "tests").mkdir()
    shutil.copyfile(REPOSITORY / "tests/test_dvc_yaml.py", root / "tests/test_dvc_yaml.py")
    for words, kind, block in BLOCK.findall(PAGE):
        if names := re.findall(r"`([\w/]+\.(?:py|yaml))`", words):
            file = root / names[-1]  # the last that is named above the block
        if kind == "python":
            assert not file.exists()
            file.write_text(block)
        else:
            edit(file, block.splitlines(keepends=True))
    return root


def edit(file: Path, lines: list[str]) -> None:
    """Replace the lines with a blank or a minus before them by those with a blank or a plus."""
    before, after = (
        "".join(line[1:] for line in lines if line[0] != other) for other in ("+", "-")
    )
    text = file.read_text()
    assert text.count(before) == 1, f"{file.name} does not have once:\n{before}"
    file.write_text(text.replace(before, after))


def run(folder: Path, *arguments: str) -> str:
    """Run python, on the sources in the folder where it is called; return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_dvc_yaml_names_all_that_the_changed_stages_import_and_read(changed):
    run(changed, "-m", "pytest", "-q", "tests/test_dvc_yaml.py", "-k", "not lock")


def test_the_added_files_pass_the_linter(changed):
    run(changed, "-m", "ruff", "check", ".")
    run(changed, "-m", "ruff", "format", "--check", ".")


def test_the_stage_counts_the_pixels_of_its_list(changed):
    write_tiny_pets(changed)
    command = "-m stages.classes data/pets data/splits metrics/classes.json"
    run(changed, *command.split())
    pixels = [load_mask(mask_path(changed / "data/pets", name)).ravel() for name in LISTS["train"]]
    counted = np.unique(np.concatenate(pixels), return_counts=True)[1]
    written = json.loads((changed / "metrics/classes.json").read_text())
    assert list(written.values()) == counted.tolist()


def test_the_metric_is_a_headline_and_the_encoder_builds_a_u_net(changed):
    printed = json.loads(run(changed, "-c", CHANGED_MODEL))
    expected = {"pet": 6 / 8, "background": 8 / 10, "border": 3 / 4}
    assert printed["precision"] == pytest.approx(expected)
    assert printed["maps"] == [[1, 4, 20, 12], [1, 8, 10, 6], [1, 16, 5, 3]]
    assert printed["logits"] == [1, 3, 21, 13]


def test_the_data_set_is_fetched_from_where_params_say(changed, tmp_path):
    params = (changed / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(params.replace("/data/pets/", f"{tmp_path}/"))
    for stem in ("images", "annotations"):
        with tarfile.open(tmp_path / f"{stem}.tar.gz", "w:gz") as archive:
            archive.add(changed / "dvc.yaml", f"{stem}/anything")
    mine = read_section("download", DownloadParams, tmp_path / "params.yaml").datasets["mine"]
    download(mine, tmp_path / "raw", tmp_path / "cache")
    assert {file.name for file in (tmp_path / "raw").iterdir()} == {
        "images.tar.gz", "annotations.tar.gz"
    }  # fmt: skip
