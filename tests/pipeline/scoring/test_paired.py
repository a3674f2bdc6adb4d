"""Comparisons whose outcome is worked out by hand: see pixel_tables for the IoUs."""

import numpy as np
import pytest
from pixel_tables import NAMES, pixel_table

from pipeline.scoring.bootstrap import paired_bootstrap
from pipeline.scoring.confusion import mean_iou
from pipeline.scoring.tables import paired_tables

CHAMPION = pixel_table(pet_missed=200)
SETTINGS = {"confidence": 0.95, "resamples": 1000, "seed": 0}


def test_changes_by_hand():
    challenger = pixel_table(pet_missed=100, border_missed=110)
    found = paired_bootstrap(paired_tables(challenger, CHAMPION), **SETTINGS)
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
    pair = paired_tables(pixel_table(missed), CHAMPION)
    found = paired_bootstrap(pair, confidence=0.8, resamples=1000, seed=0)
    generator = np.random.default_rng(1)
    differences = []
    for _ in range(2000):
        drawn = generator.integers(20, size=20)
        models = (pair.challenger, pair.champion)
        both = [mean_iou(counted[drawn].sum(axis=0)) for counted in models]
        differences.append(both[0] - both[1])
    expected = np.quantile(differences, [0.1, 0.9])
    # Of other resamples: their ends vary by a few percent of the interval.
    assert [found.miou.low, found.miou.high] == pytest.approx(
        expected, abs=0.1 * (expected[1] - expected[0])
    )


def test_a_class_that_many_resamples_lack_narrows_no_interval():
    random = np.random.default_rng(0)
    tables = [pixel_table(random.integers(0, 400, size=20)) for _ in range(2)]
    whole = paired_bootstrap(paired_tables(*tables), **SETTINGS).miou
    for table in tables:  # the border is in one image alone: two thirds of the resamples have it
        table.loc[1:, [name for name in table if name.startswith("border_")]] = 0
    rare = paired_bootstrap(paired_tables(*tables), **SETTINGS).miou
    assert rare.high - rare.low > 0.9 * (whole.high - whole.low)


def test_the_images_of_two_tables_are_paired_by_name():
    one, other = pixel_table(range(20)), pixel_table(range(100, 120))
    pair = paired_tables(one.sample(frac=1, random_state=0), other)
    assert (pair.challenger[:, 0, 2] - pair.champion[:, 0, 2] == 100).all()


def test_tables_of_other_images_or_other_masks_are_no_pair():
    table = pixel_table(0)
    assert paired_tables(table, pixel_table(0, names=NAMES[1:])) is None
    assert paired_tables(table, pixel_table(0, names=[*NAMES[1:], "Bengal_99"])) is None
    other_mask = table.assign(pet_true=table["pet_true"] + (table["name"] == "Bengal_7"))
    assert paired_tables(table, other_mask) is None
    other_class = table.rename(columns=lambda column: column.replace("pet_", "cat_"))
    assert paired_tables(table, other_class) is None
