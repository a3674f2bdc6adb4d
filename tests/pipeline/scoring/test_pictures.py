"""Pictures say with colours what the masks say with numbers."""

import numpy as np
from PIL import Image

from pipeline.data.pairs import PALETTE
from pipeline.scoring.pictures import (
    BLURRED,
    INVENTED,
    MARGIN,
    MISSED,
    TEXT,
    colour,
    error_map,
    grid,
    overlay,
)

PHOTOGRAPH = np.full((2, 3, 3), 100, dtype=np.uint8)
TRUTH = np.array([[0, 0, 1], [1, 2, 2]], dtype=np.uint8)


def test_a_mask_is_shown_in_the_palette_and_an_overlay_leaves_the_background_as_it_is():
    pixels = np.asarray(colour(TRUTH))
    assert pixels[0, 0].tolist() == list(PALETTE[0])
    assert pixels[1, 2].tolist() == list(PALETTE[2])
    pixels = np.asarray(overlay(PHOTOGRAPH, TRUTH))
    assert (pixels[TRUTH == 1] == 100).all()
    assert (pixels[TRUTH != 1] != 100).any(axis=-1).all()


def test_an_error_map_colours_wrong_pixels_by_kind():
    prediction = np.array([[0, 1, 0], [1, 1, 2]], dtype=np.uint8)
    pixels = np.asarray(error_map(PHOTOGRAPH, TRUTH, prediction))
    grey = [160, 160, 160]
    assert pixels.tolist() == [
        [grey, list(MISSED), list(INVENTED)],
        [grey, list(BLURRED), grey],
    ]


def test_a_grid_fits_every_tile_into_its_cell_and_keeps_its_aspect():
    tiles = [Image.new("RGB", size, "red") for size in ((400, 100), (10, 30), (60, 60))]
    sheet = np.asarray(grid(tiles, ["a", "b", ""], columns=2, width=60, height=60))
    assert sheet.shape == (2 * (60 + TEXT + MARGIN) + MARGIN, 2 * (60 + MARGIN) + MARGIN, 3)
    red = (sheet == [255, 0, 0]).all(axis=-1)
    first, second = red[:70, : MARGIN + 60], red[:70, MARGIN + 60 :]
    assert (first.any(axis=0).sum(), first.any(axis=1).sum()) == (60, 15)
    assert (second.any(axis=0).sum(), second.any(axis=1).sum()) == (20, 60)
