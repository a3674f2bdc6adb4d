"""Pictures say with colours what the masks say with numbers."""

import numpy as np
import pytest
from PIL import Image
from tiny_pets import PETS

from pipeline.data.classes import IGNORE, Class, Classes
from pipeline.data.colours import UNNAMED, rgb
from pipeline.scoring.pictures import (
    CONFUSED,
    INVENTED,
    LIGHT,
    MARGIN,
    MISSED,
    TEXT,
    colour,
    error_legend,
    error_map,
    grid,
    mask_legend,
    overlay,
    with_legend,
)

PHOTOGRAPH = np.full((2, 3, 3), 100, dtype=np.uint8)
TRUTH = np.array([[0, 0, 1], [1, 2, 2]], dtype=np.uint8)
# Classes of which none is foreground, with pixels that are ignored.
STREET = Classes("street", (Class("sky", "#0000ff"), Class("road", "#00ff00")), IGNORE)


def test_a_mask_is_shown_in_the_palette_and_an_overlay_leaves_the_background_as_it_is():
    pixels = np.asarray(colour(TRUTH, PETS))
    assert pixels[0, 0].tolist() == list(PETS.palette[0])
    assert pixels[1, 2].tolist() == list(PETS.palette[2])
    pixels = np.asarray(overlay(PHOTOGRAPH, TRUTH, PETS))
    assert (pixels[TRUTH == 1] == 100).all()
    assert (pixels[TRUTH != 1] != 100).any(axis=-1).all()
    assert mask_legend(PETS) == {"pet": PETS.palette[0], "border": PETS.palette[2]}


def test_ignored_pixels_are_striped_and_classes_without_roles_all_tinted():
    mask = np.full((20, 30), IGNORE, np.uint8)
    mask[:5], mask[5:10] = 0, 1
    pixels = np.asarray(colour(mask, STREET))
    assert (pixels[:5] == [0, 0, 255]).all()
    ignored = {tuple(pixel) for pixel in pixels[10:].reshape(-1, 3).tolist()}
    assert ignored == {rgb(UNNAMED), LIGHT}
    tinted = np.asarray(overlay(np.full((20, 30, 3), 100, np.uint8), mask, STREET))
    assert (tinted != 100).any(axis=-1).all()
    assert list(mask_legend(STREET)) == ["sky", "road", "ignored"]


GREY = [160, 160, 160]


def test_an_error_map_colours_wrong_pixels_by_kind():
    prediction = np.array([[0, 1, 0], [1, 1, 2]], dtype=np.uint8)
    pixels = np.asarray(error_map(PHOTOGRAPH, TRUTH, prediction, PETS))
    assert pixels.tolist() == [
        [GREY, list(MISSED), list(INVENTED)],
        [GREY, list(CONFUSED), GREY],
    ]
    names = ["pet missed", "pet invented", "others confused"]
    assert error_legend(PETS) == dict(zip(names, (MISSED, INVENTED, CONFUSED), strict=True))


def test_without_foreground_wrong_is_wrong_and_ignored_pixels_are_neither():
    truth = np.array([[0, 0, 1], [1, IGNORE, IGNORE]], np.uint8)
    prediction = np.array([[0, 1, 0], [1, 1, 0]], np.uint8)
    pixels = np.asarray(error_map(PHOTOGRAPH, truth, prediction, STREET))
    wrong = list(CONFUSED)
    assert pixels.tolist() == [[GREY, wrong, wrong], [GREY, GREY, GREY]]
    assert error_legend(STREET) == {"wrong": CONFUSED}


def test_a_grid_fits_every_tile_into_its_cell_and_keeps_its_aspect():
    tiles = [Image.new("RGB", size, "red") for size in ((400, 100), (10, 30), (60, 60))]
    sheet = np.asarray(grid(tiles, ["a", "b", ""], columns=2, width=60, height=60))
    assert sheet.shape == (2 * (60 + TEXT + MARGIN) + MARGIN, 2 * (60 + MARGIN) + MARGIN, 3)
    red = (sheet == [255, 0, 0]).all(axis=-1)
    first, second = red[:70, : MARGIN + 60], red[:70, MARGIN + 60 :]
    assert (first.any(axis=0).sum(), first.any(axis=1).sum()) == (60, 15)
    assert (second.any(axis=0).sum(), second.any(axis=1).sum()) == (20, 60)


@pytest.mark.parametrize("count", [1, 30])
def test_a_legend_has_as_many_lines_as_it_needs_and_leaves_nothing_out(count):
    colours = {f"a class {number}": (200, number, 0) for number in range(count)}
    picture = Image.new("RGB", (300, 50), "white")
    sheet = np.asarray(with_legend(picture, colours))
    assert sheet.shape[1] == 300
    top = sheet.shape[0] - 50
    assert (top == TEXT + 2 * MARGIN) == (count == 1)
    for each in colours.values():
        assert (sheet[:top] == each).all(axis=-1).sum() > 100, each
