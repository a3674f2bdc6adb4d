"""The built-in sample: the same bytes everywhere, the official layout, a problem with substance."""

import hashlib
import io
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pictures import assert_same_stream_from_python
from PIL import Image

from pipeline.sample import SampleParams, draw_sample
from pipeline.sample.archives import draw_files, list_lines
from pipeline.sample.looks import breeds
from pipeline.sample.picture import BACKGROUND, BORDER, INSIDE, OUTSIDE, PET, trimap

TYPICAL = SampleParams("sample", images_per_breed=2, width=256, height=192, seed=0)

# Change these only together with the drawing: they hold all machines to the same bytes.
GOLDEN = {
    "images.tar": "58380e1c33a01b81a28554f76094dd1042a18d0bb064ebbdfad40b79b602d314",
    "annotations.tar": "704cbb8ae2ec232b14c82beddbac773fdb7f6dd89bc89b5e1370f9f396be2f4b",
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    draw_sample(folder, TYPICAL)
    return folder


@pytest.fixture(scope="module")
def contents(sample: Path) -> dict[str, bytes]:
    """Every file of both archives by its path inside."""
    files = {}
    for name in ("images.tar", "annotations.tar"):
        with tarfile.open(sample / name, "r:") as archive:  # "r:" refuses a compressed one
            files |= {member.name: archive.extractfile(member).read() for member in archive}
    return files


@pytest.fixture(scope="module")
def trimaps(contents: dict[str, bytes]) -> dict[str, Image.Image]:
    masks = {name: data for name, data in contents.items() if name.endswith(".png")}
    return {Path(name).stem: Image.open(io.BytesIO(data)) for name, data in masks.items()}


def test_the_archives_are_the_same_bytes_on_every_machine(sample: Path) -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sample.iterdir()}
    assert found == GOLDEN


def test_a_picture_depends_on_seed_and_name_alone(contents: dict[str, bytes]) -> None:
    for breed in reversed(breeds()[::12]):  # here and in this order, and not in the two workers
        name = f"{breed.name}_2"
        jpeg, png = contents[f"images/{name}.jpg"], contents[f"annotations/trimaps/{name}.png"]
        assert draw_files(0, (256, 192), (breed, 2)) == (name, jpeg, png)
        assert draw_files(1, (256, 192), (breed, 2))[1] != jpeg


def test_columns_and_order_of_the_lists_are_the_official_ones(contents: dict[str, bytes]) -> None:
    parts = list_lines(4)
    assert parts["trainval"][:4:3] == ["Abyssinian_1 1 1 1\n", "american_bulldog_1 2 2 1\n"]
    assert parts["test"][-1] == "yorkshire_terrier_4 37 2 25\n"
    assert {"Sphynx_1 34 1 12\n", "shiba_inu_2 32 2 22\n"} < set(parts["trainval"])
    for part, lines in list_lines(2).items():
        assert contents[f"annotations/{part}.txt"].decode() == "".join(lines)


@pytest.mark.parametrize(("per_breed", "test"), [(2, 1), (4, 1), (8, 2), (11, 3)])
def test_about_a_quarter_of_each_breed_is_for_the_test(per_breed: int, test: int) -> None:
    parts = list_lines(per_breed)
    assert set(Counter(line.rpartition("_")[0] for line in parts["test"]).values()) == {test}
    assert len(parts["trainval"]) == 37 * (per_breed - test)


def test_every_listed_image_has_a_trimap_of_its_size_and_nothing_else_is_there(
    contents: dict[str, bytes], trimaps: dict[str, Image.Image]
) -> None:
    names = {line.split(" ")[0] for lines in list_lines(2).values() for line in lines}
    pictures = {Path(name).stem for name in contents if name.startswith("images/")}
    assert pictures == set(trimaps) == names
    for name, mask in trimaps.items():
        picture = Image.open(io.BytesIO(contents[f"images/{name}.jpg"]))
        assert (picture.format, picture.mode) == ("JPEG", "RGB")
        assert (mask.format, mask.mode, mask.size) == ("PNG", "L", picture.size)
        assert set(np.unique(np.asarray(mask))) == {PET, BACKGROUND, BORDER}


def test_the_band_runs_along_the_outline_and_not_along_the_frame() -> None:
    mask = Image.new("L", (40, 30))
    mask.paste(255, (20, 0, 40, 30))  # the right half, cut off by three edges of the frame
    row = [BACKGROUND] * (20 - OUTSIDE) + [BORDER] * (OUTSIDE + INSIDE) + [PET] * (20 - INSIDE)
    assert np.array_equal(np.asarray(trimap(mask)), [row] * 30)


def test_colour_alone_does_not_tell_pets_from_backgrounds(
    contents: dict[str, bytes], trimaps: dict[str, Image.Image]
) -> None:
    # Bayes' best guess from 512 colours, fitted on the very pixels it is scored on.
    counts = np.zeros((512, 2))
    for name, mask in trimaps.items():
        pixels = np.asarray(Image.open(io.BytesIO(contents[f"images/{name}.jpg"]))) // 32
        colour = (pixels * np.array([64, 8, 1])).sum(axis=2)
        for column, value in enumerate((PET, BACKGROUND)):
            counts[:, column] += np.bincount(colour[np.asarray(mask) == value], minlength=512)
    assert counts.max(axis=1).sum() / counts.sum() < 0.85


def test_trimap_bytes_do_not_depend_on_the_kind_of_zlib() -> None:
    assert_same_stream_from_python(draw_files(0, (256, 192), (breeds()[0], 1))[2], level=9)
