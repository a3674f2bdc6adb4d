"""The tables of handmade lists, worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from tiny_pets import PETS

from pipeline.data.classes import Class, Classes
from pipeline.scoring.confusion import margins
from pipeline.scoring.measure import BINS, Measured, reading_margins
from pipeline.scoring.tables import (
    FEW,
    MOST_GROUPS,
    headline,
    headline_words,
    image_scores,
    margin_columns,
    margins_of,
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
BOUNDARY = np.array([[[4, 4]], [[1, 3]], [[0, 2]]])
CONFIDENT = np.zeros((3, BINS, 3))
CONFIDENT[:, -1] = [[10, 10, 9.5], [10, 7, 9.5], [10, 6, 9.8]]  # pixels, right, sure
MEASURED = Measured(
    margins(COUNTS),
    reading_margins(COUNTS, PETS),
    BOUNDARY,
    CONFIDENT,
    np.array([0.2, 0.5, 0.7]),
    np.array([False, True, False]),
    COUNTS.sum(axis=0),
)
PER_IMAGE = [1, (2 / 4 + 4 / 6 + 1 / 3) / 3, (0 + 6 / 10) / 2]

PLAIN = Classes("plain", (Class("sky", "#0000ff"), Class("road", "#808080")))

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
    "border_merged.iou.pet": 10 / 16,
    "border_merged.iou.background": 14 / 20,
    "border_merged.miou": (10 / 16 + 14 / 20) / 2,
    # Without the last row: the background is predicted for 5 pet pixels, none of border.
    "border_ignored.iou.pet": 6 / 12,
    "border_ignored.iou.background": 14 / 19,
    "border_ignored.miou": (6 / 12 + 14 / 19) / 2,
    "boundary_iou.pet": 5 / 9,
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
    table = score_table(MEASURED, PETS).set_index("score")
    assert table["value"].to_dict() == pytest.approx(BY_HAND, abs=1e-6)
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()


def test_an_image_of_weight_two_counts_twice():
    twice = Measured(*(np.concatenate([part, part[:1]]) for part in vars(MEASURED).values()))
    once = scores(MEASURED, PETS, image_scores(MEASURED.margins), np.array([[2, 1, 1]], np.uint8))
    expected = scores(twice, PETS, image_scores(twice.margins), np.ones((1, 4), np.uint8))
    assert {name: value[0] for name, value in once.items()} == pytest.approx(
        {name: value[0] for name, value in expected.items()}
    )


def test_the_headline_is_nested_and_has_the_interval_of_the_miou():
    words = headline_words(PETS)
    found = headline(score_table(MEASURED, PETS), 3, PETS)
    assert found["images"] == 3
    assert found["miou_low"] <= found["miou"] <= found["miou_high"]
    flat = pd.json_normalize(found).iloc[0]
    assert {name: flat[name] for name in words} == pytest.approx(
        {name: BY_HAND[name] for name in words}, abs=1e-6
    )
    third = Measured(*(part[2:] for part in vars(MEASURED).values()))  # has no border
    assert headline(score_table(third, PETS), 1, PETS)["iou"]["border"] is None


def test_the_headline_has_the_readings_of_the_foreground_and_names_them_for_people():
    words = headline_words(PETS)
    assert [name for name in words if name.startswith("border_merged")] == [
        "border_merged.miou",
        "border_merged.iou.pet",
    ]
    assert words["border_merged.iou.pet"] == "IoU of pet, border merged"
    assert "boundary_iou.background" not in words
    plain = headline_words(PLAIN)
    assert {"boundary_iou.sky", "boundary_iou.road"} < plain.keys()


def test_an_image_without_a_pixel_to_score_changes_no_other_and_is_in_every_slice():
    counts = np.concatenate([COUNTS, np.zeros((1, 3, 3), int)])
    empty = {"bins": np.zeros((1, BINS, 3)), "boundary": np.zeros((1, 1, 2), int)}
    more = {"margins": margins(counts), "readings": reading_margins(counts, PETS)}
    more |= {name: np.concatenate([getattr(MEASURED, name), each]) for name, each in empty.items()}
    measured = Measured(
        **more, brightness=np.full(4, 0.5), touches_frame=np.zeros(4, bool),
        confusion=counts.sum(axis=0),
    )  # fmt: skip
    table = score_table(measured, PETS).set_index("score")["value"]
    assert table.to_dict() == pytest.approx(BY_HAND, abs=1e-6)
    images = pd.concat([IMAGES, IMAGES[:1]])
    slices = slice_table(per_image_table(images, measured, PETS), PETS, (0, 1))
    assert set(slices.groupby("slice")["images"].sum()) == {4}


def test_the_worst_tenth_counts_an_image_at_its_edge_in_part():
    values = np.array([0.9, 0.2, 0.6, 0.8])
    # A half of four: the two lowest. A half of 3 + 1: all of it is the lowest one and a half.
    weights = np.array([[1, 1, 1, 1], [1, 1, 0, 1]], np.uint8)
    expected = [(0.2 + 0.6) / 2, (0.2 + 0.5 * 0.8) / 1.5]
    assert worst_mean(values, weights, 0.5) == pytest.approx(expected)


def test_the_table_holds_margins_scores_and_properties_of_each_image():
    table = per_image_table(IMAGES, MEASURED, PETS)
    assert table.loc[1, ["pet_true", "pet_predicted", "pet_right"]].tolist() == [4, 2, 2]
    counted, names = margins_of(table)
    assert (counted == MEASURED.margins).all()
    assert names == ["pet", "background", "border"]
    assert table["miou"].tolist() == pytest.approx(PER_IMAGE, abs=1e-6)
    assert table["boundary_iou_pet"].tolist() == pytest.approx([1, 1 / 3, 0], abs=1e-6)
    assert table["calibration_error"].tolist() == pytest.approx([0.05, 0.25, 0.38])
    assert table["foreground_share"].tolist() == [0.6, 0.6, 0.4]
    assert table["touches_frame"].tolist() == [False, True, False]


WELL = margins(np.array([[30, 5, 0], [0, 55, 0], [0, 0, 10]]))
BADLY = margins(np.array([[5, 30, 0], [0, 55, 0], [0, 0, 10]]))


def images(breed, species, counted, number, **properties):
    known = {"breed": breed, "species": species, "foreground_share": 0.3, "brightness": 0.5}
    row = known | {"touches_frame": False}
    row |= dict(zip(margin_columns(PETS.names), counted.ravel(), strict=True))
    return [row | properties for _ in range(number)]


@pytest.fixture(scope="module")
def slices():
    rows = [
        *images("pug", "dog", WELL, 30, brightness=0.2),
        *images("Bengal", "cat", BADLY, 20, touches_frame=True),
        *images("Sphynx", "cat", BADLY, FEW - 1, foreground_share=0.7),
    ]
    return slice_table(pd.DataFrame(rows), PETS, whole=(0.6, 0.7)).set_index(["slice", "group"])


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
    table = pd.DataFrame(images("pug", "dog", WELL, 1, foreground_share=share))
    slices = slice_table(table, PETS, (0, 1))
    assert group in slices["group"].tolist()


def test_without_foreground_or_groups_only_brightness_makes_slices_and_many_labels_make_none():
    named = pd.DataFrame(images("pug", "dog", WELL, MOST_GROUPS + 1))
    assert set(slice_table(named, PLAIN, (0, 1))["slice"]) == {"brightness"}
    named["breed"] = [str(number) for number in range(len(named))]
    assert set(slice_table(named, PETS, (0, 1))["slice"]) == {
        "species", "pet size", "frame", "brightness",
    }  # fmt: skip
