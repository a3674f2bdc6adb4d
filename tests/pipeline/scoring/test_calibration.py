"""The expected calibration error against scikit-learn's curve, and by hand."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from pipeline.scoring.measure import (
    BINS,
    calibration_error,
    reliability_bins,
    reliability_table,
)


def test_the_error_is_that_of_scikit_learns_curve():
    random = np.random.default_rng(0)
    confidence, right = random.uniform(1 / 3, 1, 5000), random.random(5000) < 0.6
    accuracy, mean = calibration_curve(right, confidence, n_bins=BINS, strategy="uniform")
    pixels, _ = np.histogram(confidence, BINS, (0, 1))
    expected = np.average(np.abs(accuracy - mean), weights=pixels[pixels > 0])
    assert calibration_error(reliability_bins(confidence, right)) == pytest.approx(expected)


def test_by_hand():
    # Two pixels sure by 0.9, one of them right; one sure by 0.5, and right.
    confidence = np.array([[0.9, 0.9, 0.5]], np.float32)
    bins = reliability_bins(confidence, np.array([[True, False, True]]))
    assert calibration_error(bins) == pytest.approx((2 * abs(0.5 - 0.9) + abs(1 - 0.5)) / 3)
    table = reliability_table(bins)
    assert table["confidence"].tolist() == pytest.approx([0.5, 0.9])
    assert table["accuracy"].tolist() == [1, 0.5]
    assert table["share"].tolist() == pytest.approx([1 / 3, 2 / 3])


def test_a_model_that_is_certain_and_right_has_no_error():
    bins = reliability_bins(np.ones((4, 4), np.float32), np.ones((4, 4), bool))
    assert calibration_error(bins) == 0
    assert bins[-1].tolist() == [16, 16, 16]


def test_the_bins_of_two_pictures_add_up_to_those_of_both():
    random = np.random.default_rng(0)
    confidence, right = random.random((2, 50), np.float32), random.random((2, 50)) < 0.5
    added = sum(reliability_bins(*one) for one in zip(confidence, right, strict=True))
    np.testing.assert_allclose(added, reliability_bins(confidence, right))
