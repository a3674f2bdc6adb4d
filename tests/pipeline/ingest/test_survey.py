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
    ("images", "masks", "patterns"),
    [
        ("p/a.jpg p/b.JPG", "m/a.png m/b.png", "p/{name}.* m/{name}.*"),
        (
            "p/a_rgb.png p/b_rgb.png",
            "m/lab_a_ids.png m/lab_b_ids.png",
            "p/{name}_rgb.* m/lab_{name}_ids.*",
        ),
        ("all/a.jpg all/b.png", "all/a_mask.png all/b_mask.png", "{name}.* {name}_mask.*"),
        (
            "train/a.jpg val/b.jpg test/c.jpg",
            "trainannot/a.png valannot/b.png testannot/c.png",
            "{split}/{name}.* {split}annot/{name}.*",
        ),
        (
            "p/Train/a.jpg p/Val/b.jpg",
            "m/train/a.png m/valid/b.png",
            "p/{split}/{name}.* m/{split}/{name}.*",
        ),
        (
            "jpg/fly/0.jpg jpg/run/0.jpg",
            "png/fly/0.png png/run/0.png",
            "jpg/{folder}/{name}.* png/{folder}/{name}.*",
        ),
    ],
)
def test_names_pair_up_whatever_the_folders_and_endings(tmp_path, images, masks, patterns):
    """The folders that are named are those of the first image and of the first mask."""
    write(tmp_path, *images.split())
    write(tmp_path, *masks.split(), mask=Image.fromarray(GREY))
    found = survey(*(tmp_path / names.partition("/")[0] for names in (images, masks)))
    assert [found.images, found.masks] == patterns.split()
    assert (found.pairs, found.alone, found.resized) == (len(images.split()), [], 0)
    assert {each.value: each.share for each in found.values} == {0: 0.25, 1: 0.5, 2: 0.25}


@pytest.mark.parametrize(
    ("images", "masks", "sources", "patterns"),
    [
        ("photos/set", "labels/set", ("photos", "labels"),
         "photos/set/{name}.* labels/set/{name}.*"),
        ("a/photos/set", "b/far/labels/set", ("a/photos", "b/far/labels"),
         "photos/set/{name}.* labels/set/{name}.*"),
        ("set", "b/set", ("set", "b"), "set/{name}.* b/set/{name}.*"),
    ],
)  # fmt: skip
def test_folders_of_one_name_are_told_apart_by_the_nearest_above(
    tmp_path, images, masks, sources, patterns
):
    write(tmp_path, f"{images}/a.jpg")
    write(tmp_path, f"{masks}/a.png", mask=Image.fromarray(GREY))
    found = survey(tmp_path / images, tmp_path / masks)
    assert [found.sources[each] for each in ("images", "masks")] == [
        tmp_path / each for each in sources
    ]
    assert ([found.images, found.masks], found.pairs) == (patterns.split(), 1)


def test_files_in_deeper_folders_are_in_no_pair(tmp_path):
    write(tmp_path, "p/a.jpg", "p/more/b.jpg", "p/a.png")
    write(tmp_path, "m/a.png", "m/more/b.png", mask=Image.fromarray(GREY))
    found = survey(tmp_path / "p", tmp_path / "m")
    assert found.pairs == 1
    assert {"p/more/b.jpg", "m/more/b.png"} < {*found.alone}
    assert len(found.alone) == 3  # and one of the two images called a


def test_lists_are_known_in_capitals_too(tmp_path):
    for split in ("Train", "Val"):
        write(tmp_path, f"{split}/images/{split}.jpg")
        write(tmp_path, f"{split}/masks/{split}.png", mask=Image.fromarray(GREY))
    found = survey(tmp_path / "Train/images", tmp_path / "Train/masks")
    assert (found.images, found.pairs) == ("{split}/images/{name}.*", 2)


def test_the_ending_of_masks_is_the_one_that_says_so(tmp_path):
    write(tmp_path, "d/a.jpg", "d/a_drawn.jpg", "d/b.jpg", "d/b_drawn.jpg")
    write(tmp_path, "d/a_mask.png", "d/b_mask.png", mask=Image.fromarray(GREY))
    assert survey(tmp_path / "d", tmp_path / "d").masks == "{name}_mask.*"


def test_palettes_that_differ_are_refused(tmp_path):
    write(tmp_path, "p/a.jpg", "p/b.jpg")
    for name, palette in (("a", [0, 0, 0, 255, 0, 0]), ("b", [0, 0, 0, 0, 255, 0])):
        mask = Image.fromarray(GREY % 2)
        mask.putpalette(palette)
        write(tmp_path, f"m/{name}.png", mask=mask)
    with pytest.raises(UserError, match=r"b\.png: its palette has other colours than an earlier"):
        survey(tmp_path / "p", tmp_path / "m")


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
        (["m/x/a.png", "m/y/b.png"], Image.fromarray(GREY), "names fit, folders do not: write the"),
        (["m/a.ppm"], Image.fromarray(GREY), "a name in common: .* example, p/a.jpg, nothing"),
    ],
)
def test_what_are_no_masks_is_said(tmp_path, masks, mask, message):
    write(tmp_path, "p/a.jpg")
    write(tmp_path, *masks, mask=mask)
    with pytest.raises(UserError, match=message):
        survey(tmp_path / "p", tmp_path / "m")
