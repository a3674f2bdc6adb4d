"""Drift: false alarms as rare as promised, real shifts found, huge windows not upset by little."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from monitored import log_rows, make_reference, pictures

from pipeline.core.params import ParamsError, check_values
from pipeline.monitoring.drift import MonitorParams, compare, judge
from pipeline.monitoring.reference import mixed, read_reference, save_reference

LIMITS = {"window": 50, "windows": 3, "broken": 2, "days": 7, "significance": 0.01,
          "min_distance": 0.2, "max_miou_drop": 0.1, "on_drift": None}  # fmt: skip
PARAMS = MonitorParams(**LIMITS)


@pytest.fixture(scope="module")
def reference():
    return make_reference(pictures(150))


@pytest.fixture(scope="module")
def unchanged():
    return log_rows(pictures(150, seed=1))


@pytest.fixture(scope="module")
def darkened():
    return log_rows(pictures(150, seed=2, brightness=0.5))


def test_unchanged_pictures_are_no_drift(reference, unchanged):
    verdict = judge(unchanged, reference, PARAMS)
    assert (verdict.outcome, verdict.broken, len(verdict.windows)) == ("ok", 0, 3)
    assert verdict.windows[0].start == unchanged["time"].iloc[0]
    assert verdict.windows[2].end == unchanged["time"].iloc[-1]


def test_a_shift_is_named_in_units_that_people_know(reference, darkened):
    verdict = judge(darkened, reference, PARAMS)
    assert (verdict.outcome, verdict.broken) == ("drift", 3)
    shift = next(each for each in verdict.windows[0].moved if each.feature == "brightness")
    before, now = reference.pictures["brightness"].median(), darkened["brightness"][:50].median()
    assert str(shift) == f"brightness: median {now:.3g}, was {before:.3g}"
    assert verdict.moved[:2] in (["brightness", "contrast"], ["contrast", "brightness"])


def test_only_the_newest_windows_count_and_one_is_no_drift(reference, unchanged, darkened):
    for parts, broken in (((50, 100), 1), ((100, 50), 2), ((150, 150), 0)):
        rows = pd.concat([darkened[: parts[0]], unchanged[: parts[1]]])
        verdict = judge(rows, reference, PARAMS)
        assert (verdict.broken, verdict.outcome == "drift") == (broken, broken >= 2)


@pytest.mark.parametrize(("dark", "share"), [(0, 0), (75, 0.5), (150, 1)])
def test_a_mixture_with_added_photographs_that_were_held_out_is_no_drift(
    reference, unchanged, darkened, dark, share
):
    added = make_reference(pictures(50, seed=3, brightness=0.5))
    known = replace(reference, added=added)
    rows = pd.concat([darkened[:dark], unchanged[dark:]]).sample(frac=1, random_state=0)
    verdict = judge(rows, known, PARAMS)
    assert (verdict.outcome, verdict.broken) == ("ok", 0)
    mixture = verdict.reference.pictures["brightness"]
    assert mixture.isin(added.pictures["brightness"]).mean() == pytest.approx(share, abs=0.02)
    assert judge(rows, reference, PARAMS).outcome == ("drift" if dark else "ok")
    blind = judge(log_rows(pictures(150, seed=4, brightness=0.1)), known, PARAMS)
    assert blind.outcome == "drift"
    too_few = replace(reference, added=make_reference(pictures(49, seed=3, brightness=0.5)))
    assert judge(rows, too_few, PARAMS).outcome == ("drift" if dark else "ok")


def test_a_mixture_that_lacks_a_feature_hides_no_drift(reference):
    rows = log_rows(pictures(150, seed=4, brightness=0.5))
    added = make_reference(pictures(60, seed=3, brightness=0.5))
    few = [name for name in added.pictures if str(name).startswith("centre")]
    assert few
    added.pictures.loc[10:, few] = np.nan  # fewer than are compared
    rows[few] += 100.0
    verdict = judge(rows, replace(reference, added=added), PARAMS)
    assert {*few} <= {shift.feature for shift in verdict.shifts}
    assert {*few} <= {*verdict.moved}


def test_a_mixture_counts_in_proportion(reference):
    known = replace(reference, added=make_reference(pictures(50, seed=3)))
    for share, test, added in ((0, 150, 0), (0.25, 150, 50), (0.5, 50, 50), (1, 0, 50)):
        mixture = mixed(known, share)
        assert len(mixture.pictures) == test + added
        expected = reference.pixels * (test / 150) + known.added.pixels * (added / 50)
        np.testing.assert_allclose(mixture.pixels, expected, atol=1)


def test_a_reference_is_read_as_it_was_written(reference, tmp_path):
    known = replace(reference, added=make_reference(pictures(3, seed=3)))
    save_reference(tmp_path / "reference.json", known)
    read = read_reference(tmp_path / "reference.json")
    for mine, its in ((read, known), (read.added, known.added)):
        pd.testing.assert_frame_equal(mine.pictures, its.pictures)
        np.testing.assert_array_equal(mine.confusion, its.confusion)


def test_fewer_pictures_than_a_window_say_nothing(reference, darkened):
    verdict = judge(darkened[:49], reference, PARAMS)
    assert (verdict.outcome, verdict.windows) == ("too few pictures", [])
    assert verdict.shifts[0].distance > 0.5  # but they can be looked at


def test_the_distance_and_the_correction_by_hand():
    """All of 100 values differ from all of 200: the distance is 1. Another feature is the same."""
    rows = pd.DataFrame({"a": np.arange(100.0), "b": np.arange(100) % 10, "c": 1.0})
    before = pd.DataFrame({"a": np.arange(200.0) + 100, "b": np.arange(200) % 10, "d": 1.0})
    moved, same = compare(rows, before)
    assert (moved.feature, moved.distance, moved.now, moved.before) == ("a", 1, 49.5, 199.5)
    assert moved.p < 1e-50
    assert (same.feature, same.distance, same.p) == ("b", 0, 1)


def test_a_feature_that_few_rows_have_is_not_compared():
    before = pd.DataFrame({"a": np.arange(100.0)})
    assert compare(pd.DataFrame({"a": [500.0] * 19 + [None] * 81}), before) == []
    assert len(compare(pd.DataFrame({"a": [500.0] * 20 + [None] * 80}), before)) == 1


def test_false_alarms_of_a_window_are_as_rare_as_promised():
    """Ten features that do not differ, 400 windows: 0.05 of them at most, and by chance 0.09."""
    random = np.random.default_rng(0)
    params = PARAMS.significance * 5
    alarms = 0
    for _ in range(400):
        rows, before = (
            pd.DataFrame(random.normal(size=(size, 10))).rename(columns=str) for size in (50, 80)
        )
        alarms += min(shift.p for shift in compare(rows, before)) <= params
    assert 0 < alarms / 400 <= 0.09


def test_a_shift_too_small_to_matter_is_none_however_sure(reference):
    random = np.random.default_rng(0)
    before = pd.DataFrame({"brightness": random.normal(0.5, 0.1, 20_000)})
    rows = log_rows(pictures(1)).sample(20_000, replace=True, random_state=0)
    rows["brightness"] = random.normal(0.52, 0.1, 20_000)
    params = MonitorParams(**LIMITS | {"window": 20_000, "windows": 1, "broken": 1})
    verdict = judge(rows.assign(confidence=None), replace(reference, pictures=before), params)
    assert verdict.shifts[0].p < 1e-10
    assert verdict.outcome == "ok"


def test_an_estimate_that_has_fallen_breaks_a_window(reference):
    unsure = sorted(pictures(800, seed=3), key=lambda each: each.confidence.mean())[:150]
    params = MonitorParams(**LIMITS | {"min_distance": 0.999})
    verdict = judge(log_rows(unsure), reference, params)
    assert [window.fallen for window in verdict.windows] == [True] * 3
    assert (verdict.outcome, verdict.moved) == ("drift", [])
    kept = MonitorParams(**LIMITS | {"min_distance": 0.999, "max_miou_drop": 0.9})
    assert judge(log_rows(unsure), reference, kept).outcome == "ok"


def test_more_broken_windows_than_there_are_cannot_be_asked_for(tmp_path):
    values = LIMITS | {"broken": 4}
    with pytest.raises(ParamsError, match=r"broken is 4: accepted is 1 to windows \(3\)"):
        check_values(values, MonitorParams, tmp_path / "params.yaml", "monitor")
