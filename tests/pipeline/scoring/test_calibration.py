"""The expected calibration error against torchmetrics, and by hand."""

import numpy as np
import pytest
import torch

from pipeline.data import vision  # noqa: F401 - makes torchvision, which torchmetrics imports, importable
from pipeline.scoring.calibration import (
    BINS,
    calibration_error,
    reliability_bins,
    reliability_table,
)


def test_the_error_agrees_with_torchmetrics():
    from torchmetrics.functional.classification import (
        multiclass_calibration_error,
    )

    torch.manual_seed(0)
    probabilities = (2 * torch.randn(5000, 3)).softmax(dim=1)
    truth = torch.randint(0, 3, (5000,))
    expected = multiclass_calibration_error(probabilities, truth, 3, n_bins=BINS, norm="l1")
    confidence, prediction = probabilities.max(dim=1)
    bins = reliability_bins(confidence.numpy(), (prediction == truth).numpy())
    assert calibration_error(bins) == pytest.approx(float(expected), abs=1e-6)


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
