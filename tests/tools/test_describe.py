from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import call

from pipeline.core.terminal import UserError
from pipeline.data.description import read_description
from tools import describe


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The working folder, with two pictures in `images`."""
    monkeypatch.chdir(tmp_path)
    for folder in ("datasets", "images", "masks"):
        Path(folder).mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (4, 3)).save(f"images/{name}.jpg")
    return tmp_path


def described(pixels):
    """The description that comes out of two masks with these pixels."""
    for name in ("a", "b"):
        Image.fromarray(np.array(pixels, np.uint8)).save(f"masks/{name}.png")
    call(describe, "images", "masks", "--name", "own")
    return read_description(Path("datasets/own.yaml"))


def test_two_values_are_background_and_foreground(folders):
    found = described([[0, 0, 0, 255]] * 3)
    entries = [(entry.name, entry.values, entry.role) for entry in found.classes]
    assert entries == [("background", (0,), "background"), ("foreground", (255,), "foreground")]
    assert found.masks.ignore == ()
    assert found.sources["masks"].url == str(folders / "masks")
    assert (found.layout.images, found.layout.masks) == ("images/{name}.*", "masks/{name}.*")
    with pytest.raises(UserError, match="is there already"):
        call(describe, "images", "masks", "--name", "own")


@pytest.mark.parametrize("pixels", [[[1, 1, 2, 2]], [[[255, 0, 0]] * 3 + [[0, 255, 0]]]])
def test_no_role_is_guessed_where_nothing_is_black(folders, pixels):
    Path("masks/labelmap.txt").write_text("another program's\n")
    found = described(pixels)
    assert [(entry.name, entry.role) for entry in found.classes] == [
        ("class 0", None),
        ("class 1", None),
    ]


def test_the_home_of_a_user_that_is_none_is_a_folder_that_is_missing(folders):
    with pytest.raises(UserError, match="~nobody1/images"):
        call(describe, "~nobody1/images", "masks")


def test_paths_may_hold_any_signs(folders):
    odd = Path('ü "1" #\\')
    odd.mkdir()
    for name in ("images", "masks"):
        Path(name).rename(odd / name)
        Path(name).symlink_to(odd / name)
    found = described([[0, 0, 0, 255]])
    assert found.sources["masks"].url == str(folders / odd / "masks")


def test_255_beside_class_ids_is_ignored(folders):
    found = described([[0, 1, 2, 255]] * 3)
    assert [entry.name for entry in found.classes] == ["class 0", "class 1", "class 2"]
    assert found.masks.ignore == (255,)


def test_vocs_void_is_ignored_beside_one_class_of_people(folders):
    for name in ("a", "b"):
        mask = Image.fromarray(np.array([[0, 15, 255]], np.uint8))
        mask.putpalette([*[0] * 45, 192, 128, 128, *[0] * 717, 224, 224, 192])
        mask.save(f"masks/{name}.png")
    call(describe, "images", "masks", "--name", "own")
    assert read_description(Path("datasets/own.yaml")).masks.ignore == (255,)


def test_255_beside_other_greys_is_a_class(folders):
    found = described([[0, 128, 255]] * 3)
    assert [entry.values for entry in found.classes] == [(0,), (128,), (255,)]


def test_values_below_0_are_ignored(folders):
    for name in ("a", "b"):
        Image.fromarray(np.array([[-1, 0, 1]], np.int32)).save(f"masks/{name}.tif")
    call(describe, "images", "masks", "--name", "own")
    found = read_description(Path("datasets/own.yaml"))
    assert ([entry.values for entry in found.classes], found.masks.unknown) == (
        [(0,), (1,)], "ignore",
    )  # fmt: skip


def test_masks_of_one_value_are_refused(folders):
    with pytest.raises(UserError, match="the masks hold fewer than two: is this"):
        described([[0, 0]])


def test_colours_keep_their_names_and_vocs_outlines_are_ignored(folders):
    Path("masks/labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\naero/plane (1):128,0,0::\n"
    )
    black, red, void = (0, 0, 0), (128, 0, 0), (224, 224, 192)
    found = described([[black, black, red, void]] * 3)
    entries = [(entry.name, entry.values, entry.colour, entry.role) for entry in found.classes]
    assert entries == [
        ("background", ("#000000",), None, "background"),
        ("aero plane 1", ("#800000",), "#800000", None),
    ]
    assert found.masks.ignore == ("#e0e0c0",)


def test_masks_of_two_kinds_are_refused(folders):
    described([[0, 255]])
    Image.new("RGB", (2, 1)).save("masks/b.png")
    Path("datasets/own.yaml").unlink()
    with pytest.raises(UserError, match=r"b\.png.* one holds colours, the other numbers"):
        call(describe, "images", "masks", "--name", "own")
