"""Comparisons whose outcome is worked out by hand: see pixel_tables for the IoUs."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from pixel_tables import NAMES, pixel_table
from tiny_pets import REPOSITORY

from pipeline.core.params import ParamsError, read_section
from pipeline.scoring.confusion import mean_iou
from pipeline.scoring.paired import GateParams, compare, same_pictures
from pipeline.scoring.tables import counts_of

PARAMS = GateParams(
    confidence=0.95,
    resamples=1000,
    seed=0,
    min_gain=0.0,
    max_class_drop={"pet": 0.005, "background": 0.005, "border": 0.005},
)
CHAMPION = counts_of(pixel_table(pet_missed=200))


def changed(pet_missed, border_missed=100, params=PARAMS):
    """The comparison of such a challenger with the champion."""
    return compare(counts_of(pixel_table(pet_missed, border_missed)), CHAMPION, params)


def test_changes_by_hand():
    found = changed(pet_missed=100, border_missed=110)
    assert found.images == 20
    assert found.iou["pet"].champion == pytest.approx(0.8)
    assert found.iou["pet"].challenger == pytest.approx(0.9)
    assert found.iou["background"].gain == pytest.approx(2000 / 2210 - 2000 / 2300)
    assert found.iou["border"].gain == pytest.approx(-0.02)
    gain = (0.1 + (2000 / 2210 - 2000 / 2300) - 0.02) / 3
    assert found.miou.gain == pytest.approx(gain)
    # Every image changes alike, so that every resample does.
    assert (found.miou.low, found.miou.high) == pytest.approx((gain, gain))


def test_the_interval_is_the_middle_part_of_the_differences_on_resampled_images():
    missed = np.random.default_rng(0).integers(0, 400, size=20)
    challenger = counts_of(pixel_table(missed))
    found = compare(challenger, CHAMPION, replace(PARAMS, confidence=0.8))
    generator = np.random.default_rng(1)
    differences = []
    for _ in range(2000):
        drawn = generator.integers(20, size=20)
        both = [mean_iou(counts[drawn].sum(axis=0)) for counts in (challenger, CHAMPION)]
        differences.append(both[0] - both[1])
    expected = np.quantile(differences, [0.1, 0.9])
    # Of other resamples: their ends vary by a few percent of the interval.
    assert [found.miou.low, found.miou.high] == pytest.approx(
        expected, abs=0.1 * (expected[1] - expected[0])
    )


def test_a_better_model_meets_no_objection():
    assert changed(pet_missed=100).objections(PARAMS) == []


def test_a_model_with_the_same_scores_is_not_better():
    assert changed(pet_missed=200).objections(PARAMS) == [
        "the interval is not above gate.min_gain, 0"
    ]


def test_a_gain_that_other_images_could_have_turned_is_not_sure():
    # Better by 4 pixels an image on average, but by 150 better or 142 worse in each.
    missed = [50, 342] * 10
    found = changed(missed)
    assert found.miou.gain > 0 > found.miou.low
    assert len(found.objections(PARAMS)) == 1


def test_a_sure_gain_must_be_as_large_as_asked_for():
    gain = changed(pet_missed=190).miou.gain
    asked = replace(PARAMS, min_gain=0.004)
    assert changed(pet_missed=190).objections(asked) == []
    assert 0.004 < gain < 0.005
    asked = replace(PARAMS, min_gain=0.005)
    assert changed(pet_missed=190).objections(asked) == [
        "the interval is not above gate.min_gain, 0.005"
    ]


def test_a_class_that_drops_by_more_than_allowed_outweighs_a_gain_on_average():
    found = changed(pet_missed=50, border_missed=110)
    assert found.miou.low > 0.04
    assert found.objections(PARAMS) == [
        "IoU of border drops by 0.02, and gate.max_class_drop.border allows 0.005"
    ]
    allowed = replace(PARAMS, max_class_drop=PARAMS.max_class_drop | {"border": 0.02})
    assert found.objections(allowed) == []


def test_a_class_that_is_nowhere_stands_in_nobodys_way():
    pets_alone = CHAMPION.copy()
    pets_alone[:, 2, :] = 0
    better = pets_alone + np.array([[50, -50, 0], [0, 0, 0], [0, 0, 0]])
    found = compare(better, pets_alone, PARAMS)
    assert np.isnan(found.iou["border"].gain)
    assert found.objections(PARAMS) == []


def test_the_pictures_of_two_tables_are_paired_by_name():
    one, other = pixel_table(range(20)), pixel_table(range(100, 120))
    new, old = same_pictures(one.sample(frac=1, random_state=0), other)
    assert (old[:, 0, 1] - new[:, 0, 1] == 100).all()


def test_tables_of_other_pictures_or_other_masks_are_no_pair():
    table = pixel_table(0)
    assert same_pictures(table, pixel_table(0, names=NAMES[1:])) is None
    assert same_pictures(table, pixel_table(0, names=[*NAMES[1:], "Bengal_99"])) is None
    other_mask = table.assign(pet_as_pet=table["pet_as_pet"] + (table["name"] == "Bengal_7"))
    assert same_pictures(table, other_mask) is None


def test_the_projects_params_are_accepted():
    assert read_section("gate", GateParams, REPOSITORY / "params.yaml") == PARAMS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_class_drop": {"pet": 0.1}}, "a number for each of pet, background, border"),
        ({"max_class_drop": 0.1}, "max_class_drop"),
        ({"min_gain": -0.1}, "min_gain"),
        ({"confidence": 95}, "confidence"),
    ],
)
def test_other_params_are_refused_by_name(tmp_path, change, message):
    values = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["gate"] | change
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"gate": values}))
    with pytest.raises(ParamsError, match=message):
        read_section("gate", GateParams, tmp_path / "params.yaml")
