from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from PIL.PngImagePlugin import PngInfo

from pipeline.core.terminal import UserError
from pipeline.ingest.survey import survey

GREY = np.array([[0, 1], [1, 2]], np.uint8)


def write(root: Path, *names: str, mask: Image.Image | None = None) -> None:
    """Images of 2x2 pixels, or masks that are all like the one given."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (mask or Image.new("RGB", (2, 2))).save(root / name)


@pytest.mark.parametrize(
    ("images", "masks", "folders", "patterns"),
    [
        (
            ["p/a.jpg", "p/b.JPG"],
            ["m/a.png", "m/b.png"],
            ("p", "m"),
            ("p/{name}.*", "m/{name}.*"),
        ),
        (
            ["p/a_rgb.png", "p/b_rgb.png"],
            ["m/lab_a_ids.png", "m/lab_b_ids.png"],
            ("p", "m"),
            ("p/{name}_rgb.*", "m/lab_{name}_ids.*"),
        ),
        (
            ["all/a.jpg", "all/b.png"],
            ["all/a_mask.png", "all/b_mask.png"],
            ("all", "all"),
            ("{name}.*", "{name}_mask.*"),
        ),
        (
            ["train/a.jpg", "val/b.jpg", "test/c.jpg"],
            ["trainannot/a.png", "valannot/b.png", "testannot/c.png"],
            ("train", "trainannot"),
            ("{split}/{name}.*", "{split}annot/{name}.*"),
        ),
        (
            ["p/Train/a.jpg", "p/Val/b.jpg"],
            ["m/train/a.png", "m/valid/b.png"],
            ("p", "m"),
            ("p/{split}/{name}.*", "m/{split}/{name}.*"),
        ),
        (
            ["jpg/fly/0.jpg", "jpg/run/0.jpg"],
            ["png/fly/0.png", "png/run/0.png"],
            ("jpg", "png"),
            ("jpg/{folder}/{name}.*", "png/{folder}/{name}.*"),
        ),
    ],
)
def test_names_pair_up_whatever_the_folders_and_endings(tmp_path, images, masks, folders, patterns):
    write(tmp_path, *images)
    write(tmp_path, *masks, mask=Image.fromarray(GREY))
    found = survey(*(tmp_path / folder for folder in folders))
    assert (found.images, found.masks) == patterns
    assert (found.pairs, found.alone, found.resized) == (len(images), [], 0)
    assert {each.value: each.share for each in found.values} == {0: 0.25, 1: 0.5, 2: 0.25}


def test_folders_of_one_name_are_told_apart_by_those_above(tmp_path):
    write(tmp_path, "photos/set/a.jpg")
    write(tmp_path, "labels/set/a.png", mask=Image.fromarray(GREY))
    found = survey(tmp_path / "photos/set", tmp_path / "labels/set")
    assert found.sources == {"images": tmp_path / "photos", "masks": tmp_path / "labels"}
    assert (found.images, found.masks, found.pairs) == (
        "photos/set/{name}.*", "labels/set/{name}.*", 1,
    )  # fmt: skip


@pytest.mark.parametrize("inner", ["images", "masks"])
def test_a_folder_in_the_other_one_is_looked_at_alone(tmp_path, inner):
    folders = {"images": tmp_path / "d", "masks": tmp_path / "d"}
    folders[inner] /= "inner"
    write(folders["images"], "a.jpg", "b.jpg")
    write(folders["masks"], "a.png", mask=Image.new("L", (3, 2), 1))
    found = survey(folders["images"], folders["masks"])
    assert (found.pairs, found.resized, len(found.alone)) == (1, 1, 1)


def test_a_folder_above_that_is_called_like_a_list_is_none(tmp_path):
    above = tmp_path / "test/camvid"
    for split in ("train", "val"):
        write(above, f"{split}/{split}.jpg")
        write(above, f"{split}annot/{split}.png", mask=Image.fromarray(GREY))
    assert survey(above / "train", above / "trainannot").pairs == 2


def test_a_palettes_values_are_its_indices_and_its_colours_are_told(tmp_path):
    mask = Image.fromarray(GREY)
    mask.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    write(tmp_path, "p/a.jpg", "p/alone.jpg")
    write(tmp_path, "m/a.png", mask=mask)
    found = survey(tmp_path / "p", tmp_path / "m")
    assert found.alone == ["p/alone.jpg"]
    assert [(each.value, each.colour) for each in found.values][:1] == [(1, "#800000")]


def test_colours_are_values_and_another_size_is_counted(tmp_path):
    write(tmp_path, "p/a.jpg")
    write(tmp_path, "m/a.png", mask=Image.new("RGB", (3, 2), "#800000"))
    found = survey(tmp_path / "p", tmp_path / "m")
    assert [(each.value, each.share, each.masks) for each in found.values] == [("#800000", 1.0, 1)]
    assert found.resized == 1


def test_an_image_that_does_not_open_is_left_to_extract(tmp_path):
    write(tmp_path, "m/a.png", mask=Image.fromarray(GREY))
    (tmp_path / "p").mkdir()
    (tmp_path / "p/a.jpg").write_bytes(b"no picture")
    told = PngInfo()
    told.add_text("a", "a" * (PngImagePlugin.MAX_TEXT_CHUNK + 1), zip=True)
    Image.new("RGB", (1, 1)).save(tmp_path / "p/b.png", pnginfo=told)
    write(tmp_path, "m/b.png", mask=Image.fromarray(GREY))
    assert survey(tmp_path / "p", tmp_path / "m").pairs == 2


@pytest.mark.parametrize(
    ("masks", "mask", "message"),
    [
        (["m/a.jpg"], Image.fromarray(GREY), "is a JPEG, which smears"),
        (["m/a.png"], Image.new("RGBA", (2, 2)), "channels RGBA"),
        (
            ["m/a.png"],
            Image.fromarray(np.arange(3 * 300, dtype=np.uint8).reshape(10, 30, 3)),
            "more than 250 values",
        ),
        (["m/b.png"], Image.fromarray(GREY), "no image and mask have a name in common"),
        (["m/a.ppm"], Image.fromarray(GREY), "a name in common: .* example, p/a.jpg, nothing"),
    ],
)
def test_what_are_no_masks_is_said(tmp_path, masks, mask, message):
    write(tmp_path, "p/a.jpg")
    write(tmp_path, *masks, mask=mask)
    with pytest.raises(UserError, match=message):
        survey(tmp_path / "p", tmp_path / "m")
