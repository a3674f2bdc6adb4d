"""The tables of handmade lists, worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from pipeline.scoring.confusion import mean_iou
from pipeline.scoring.measure import BINS, Measured
from pipeline.scoring.tables import (
    COUNT_COLUMNS,
    FEW,
    HEADLINE,
    counts_of,
    headline,
    image_scores,
    per_image_table,
    score_table,
    scores,
    slice_table,
    worst_mean,
)

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
BOUNDARY = np.array([[4, 4], [1, 3], [0, 2]])
CONFIDENT = np.zeros((3, BINS, 3))
CONFIDENT[:, -1] = [[10, 10, 9.5], [10, 7, 9.5], [10, 6, 9.8]]  # pixels, right, sure
MEASURED = Measured(
    COUNTS, BOUNDARY, CONFIDENT, np.array([0.2, 0.5, 0.7]), np.array([False, True, False])
)
PER_IMAGE = [1, (2 / 4 + 4 / 6 + 1 / 3) / 3, (0 + 6 / 10) / 2]

# The sum of the three: [[6, 5, 1], [0, 14, 0], [0, 1, 3]].
BY_HAND = {
    "miou": (6 / 12 + 14 / 20 + 3 / 5) / 3,
    "iou.pet": 6 / 12,
    "iou.background": 14 / 20,
    "iou.border": 3 / 5,
    "dice.pet": 12 / 18,
    "dice.background": 28 / 34,
    "dice.border": 6 / 8,
    "pixel_accuracy": 23 / 30,
    # Pet and border as one: 10 of 16 hit, nothing invented.
    "border_merged.iou_pet": 10 / 16,
    "border_merged.miou": (10 / 16 + 14 / 20) / 2,
    # Without the last row: the background is predicted for 5 pet pixels, none of border.
    "border_ignored.iou_pet": 6 / 12,
    "border_ignored.miou": (6 / 12 + 14 / 19) / 2,
    "boundary_iou_pet": 5 / 9,
    "calibration_error": (28.8 - 23) / 30,
    "per_image.miou": sum(PER_IMAGE) / 3,
    "per_image.worst_tenth_miou": PER_IMAGE[2],
    "per_image.iou.pet": (1 + 2 / 4 + 0) / 3,
    "per_image.iou.background": (1 + 4 / 6 + 6 / 10) / 3,
    "per_image.iou.border": (1 + 1 / 3) / 2,  # the third image has none
    "per_image.dice.pet": (1 + 4 / 6 + 0) / 3,
    "per_image.dice.background": (1 + 8 / 10 + 12 / 16) / 3,
    "per_image.dice.border": (1 + 2 / 4) / 2,
}


def test_every_score_by_hand():
    table = score_table(MEASURED).set_index("score")
    assert table["value"].to_dict() == pytest.approx(BY_HAND, abs=1e-6)
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()


def test_an_image_of_weight_two_counts_twice():
    twice = Measured(*(np.concatenate([part, part[:1]]) for part in vars(MEASURED).values()))
    once = scores(MEASURED, image_scores(MEASURED.counts), np.array([[2, 1, 1]], np.uint8))
    expected = scores(twice, image_scores(twice.counts), np.ones((1, 4), np.uint8))
    assert {name: value[0] for name, value in once.items()} == pytest.approx(
        {name: value[0] for name, value in expected.items()}
    )


def test_the_headline_is_nested_and_has_the_interval_of_the_miou():
    found = headline(score_table(MEASURED), images=3)
    assert found["images"] == 3
    assert found["miou_low"] <= found["miou"] <= found["miou_high"]
    flat = pd.json_normalize(found).iloc[0]
    assert {name: flat[name] for name in HEADLINE} == pytest.approx(
        {name: BY_HAND[name] for name in HEADLINE}, abs=1e-6
    )
    third = Measured(*(part[2:] for part in vars(MEASURED).values()))  # has no border
    assert headline(score_table(third), images=1)["iou"]["border"] is None


def test_the_worst_tenth_counts_an_image_at_its_edge_in_part():
    values = np.array([0.9, 0.2, 0.6, 0.8])
    # A half of four: the two lowest. A half of 3 + 1: all of it is the lowest one and a half.
    weights = np.array([[1, 1, 1, 1], [1, 1, 0, 1]], np.uint8)
    expected = [(0.2 + 0.6) / 2, (0.2 + 0.5 * 0.8) / 1.5]
    assert worst_mean(values, weights, 0.5) == pytest.approx(expected)


def test_the_table_holds_matrices_scores_and_properties_of_each_image():
    table = per_image_table(IMAGES, MEASURED)
    assert table.loc[1, "pet_as_border"] == 1
    assert (counts_of(table) == COUNTS).all()
    assert table["miou"].tolist() == pytest.approx(PER_IMAGE, abs=1e-6)
    assert table["miou"].tolist() == pytest.approx(mean_iou(COUNTS), abs=1e-6)
    assert table["boundary_iou_pet"].tolist() == pytest.approx([1, 1 / 3, 0], abs=1e-6)
    assert table["calibration_error"].tolist() == pytest.approx([0.05, 0.25, 0.38])
    assert table["pet_share"].tolist() == [0.6, 0.6, 0.4]
    assert table["touches_frame"].tolist() == [False, True, False]


WELL = [30, 5, 0, 0, 55, 0, 0, 0, 10]
BADLY = [5, 30, 0, 0, 55, 0, 0, 0, 10]


def images(breed, species, counts, number, **properties):
    known = {"breed": breed, "species": species, "pet_share": 0.3, "brightness": 0.5}
    row = known | {"touches_frame": False} | dict(zip(COUNT_COLUMNS, counts, strict=True))
    return [row | properties for _ in range(number)]


@pytest.fixture(scope="module")
def slices():
    rows = [
        *images("pug", "dog", WELL, 30, brightness=0.2),
        *images("Bengal", "cat", BADLY, 20, touches_frame=True),
        *images("Sphynx", "cat", BADLY, FEW - 1, pet_share=0.7),
    ]
    return slice_table(pd.DataFrame(rows), whole=(0.6, 0.7)).set_index(["slice", "group"])


def test_the_score_is_that_of_the_summed_counts(slices):
    # Pet 30 of 35, background 55 of 60, border 10 of 10.
    assert slices.loc[("breed", "pug"), "miou"] == pytest.approx(
        (30 / 35 + 55 / 60 + 1) / 3, abs=1e-6
    )
    # Equal images score as one does.
    expected = (5 / 35 + 55 / 85 + 1) / 3
    assert slices.loc[("species", "cat"), "miou"] == pytest.approx(expected, abs=1e-6)


def test_slices_below_the_whole_and_slices_of_few_images_are_marked(slices):
    breeds = slices.loc["breed"]
    assert breeds["below"].to_dict() == {"Bengal": True, "Sphynx": False, "pug": False}
    assert breeds["few"].to_dict() == {"Bengal": False, "Sphynx": True, "pug": False}
    assert breeds.index.tolist() == ["Bengal", "Sphynx", "pug"]  # the worst first


def test_every_slice_holds_every_image(slices):
    assert set(slices.groupby(level="slice")["images"].sum()) == {30 + 20 + FEW - 1}
    number = slices["images"]
    assert number["pet size"].to_dict() == {"25 to 50 %": 50, "above 50 %": FEW - 1}
    assert number["brightness"].to_dict() == {"dark": 30, "medium": 20 + FEW - 1}
    assert number["frame"].to_dict() == {"touched": 20, "not touched": 30 + FEW - 1}


@pytest.mark.parametrize(
    ("share", "group"), [(0.0, "below 10 %"), (0.0999, "below 10 %"), (0.1, "10 to 25 %")]
)
def test_a_bound_belongs_to_the_upper_group(share, group):
    table = pd.DataFrame(images("pug", "dog", WELL, 1, pet_share=share))
    slices = slice_table(table, (0, 1))
    assert group in slices["group"].tolist()
