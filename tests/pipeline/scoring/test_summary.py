"""Headline numbers and tables of a handmade set of three images, worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from pipeline.scoring.summary import by_breed, counts_of, headline, per_image_table

IMAGES = pd.DataFrame(
    {"name": ["Bengal_1", "Bengal_2", "pug_1"], "breed": ["Bengal", "Bengal", "pug"],
     "species": ["cat", "cat", "dog"]}
)  # fmt: skip
COUNTS = np.array(
    [
        [[4, 0, 0], [0, 4, 0], [0, 0, 2]],  # all right
        [[2, 1, 1], [0, 4, 0], [0, 1, 1]],
        [[0, 4, 0], [0, 6, 0], [0, 0, 0]],  # the pet missed, no border in truth or prediction
    ]
)


def test_headline_by_hand():
    scores = headline(COUNTS)
    # The sum: [[6, 5, 1], [0, 14, 0], [0, 1, 3]].
    assert scores["images"] == 3
    assert scores["iou"] == pytest.approx(
        {"pet": 6 / 12, "background": 14 / 20, "border": 3 / 5}, abs=1e-6
    )
    assert scores["dice"] == pytest.approx(
        {"pet": 12 / 18, "background": 28 / 34, "border": 6 / 8}, abs=1e-6
    )
    assert scores["miou"] == pytest.approx((6 / 12 + 14 / 20 + 3 / 5) / 3, abs=1e-6)
    assert scores["pixel_accuracy"] == pytest.approx(23 / 30, abs=1e-6)
    # Pet and border as one: 10 of 16 hit, nothing invented.
    assert scores["pet_with_border_iou"] == pytest.approx(10 / 16, abs=1e-6)
    images = [1, (2 / 4 + 4 / 6 + 1 / 3) / 3, (0 + 6 / 10) / 2]
    assert scores["per_image_miou"] == pytest.approx(sum(images) / 3, abs=1e-6)


def test_a_class_that_is_nowhere_has_no_score():
    assert headline(COUNTS[2:])["iou"]["border"] is None


def test_the_table_gives_the_matrices_back():
    table = per_image_table(IMAGES, COUNTS)
    assert table.loc[1, "pet_as_border"] == 1
    assert (counts_of(table) == COUNTS).all()


def test_breeds_are_scored_over_their_own_images_best_first():
    table = by_breed(per_image_table(IMAGES, COUNTS))
    assert table[["breed", "species", "images"]].to_numpy().tolist() == [
        ["Bengal", "cat", 2],
        ["pug", "dog", 1],
    ]
    # Bengal's sum: [[6, 1, 1], [0, 8, 0], [0, 1, 3]].
    assert table["miou"].tolist() == pytest.approx([(6 / 8 + 8 / 10 + 3 / 5) / 3, 0.3], abs=1e-6)
