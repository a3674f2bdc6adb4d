"""Scores by hand and against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from pipeline.scoring.confusion import (
    class_scores,
    confusion_matrix,
    dice,
    iou,
    mean_iou,
    merge,
    pixel_accuracy,
)

# Rows are the truth: of 10 pet pixels 6 are right, 3 background, 1 border, and so on.
COUNTS = np.array([[6, 3, 1], [2, 20, 0], [0, 4, 4]])


def test_scores_and_merged_classes_of_a_matrix_by_hand():
    np.testing.assert_allclose(iou(COUNTS), [6 / 12, 20 / 29, 4 / 9])
    np.testing.assert_allclose(dice(COUNTS), [12 / 18, 40 / 49, 8 / 13])
    assert mean_iou(COUNTS) == pytest.approx((6 / 12 + 20 / 29 + 4 / 9) / 3)
    assert pixel_accuracy(COUNTS) == pytest.approx(30 / 40)
    merged = merge(COUNTS, ((0, 2), (1,)))
    assert merged.tolist() == [[6 + 1 + 0 + 4, 3 + 4], [2 + 0, 20]]


def test_a_class_that_is_nowhere_has_no_score_and_does_not_count():
    counts = np.array([[5, 0, 0], [5, 10, 0], [0, 0, 0]])
    assert np.isnan(iou(counts)[2])
    assert mean_iou(counts) == pytest.approx((5 / 10 + 10 / 15) / 2)
    assert class_scores(torch.from_numpy(counts), "abc") == {
        "miou": pytest.approx((5 / 10 + 10 / 15) / 2, abs=1e-6),
        "iou": {"a": 0.5, "b": 0.666667, "c": None},  # rounded: scores that print alike are equal
    }


def test_a_class_that_is_only_predicted_changes_no_mean():
    counts = np.array([[5, 0, 1], [5, 9, 1], [0, 0, 0]])
    assert iou(counts)[2] == 0
    assert mean_iou(counts) == pytest.approx((5 / 11 + 9 / 15) / 2)


def test_a_stack_of_matrices_is_scored_one_by_one():
    stack = np.stack([COUNTS, COUNTS.T, np.eye(3, dtype=int)])
    for scores in (iou, dice, mean_iou, pixel_accuracy):
        np.testing.assert_allclose(scores(stack), [scores(one) for one in stack])


def test_scores_agree_with_scikit_learn_on_random_masks():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 3, (4, 20, 30), generator=generator)
    prediction = torch.randint(0, 3, (4, 20, 30), generator=generator)
    counts = confusion_matrix(truth, prediction.to(torch.uint8), classes=3).numpy()
    flat = truth.flatten().numpy(), prediction.flatten().numpy()
    assert (counts == metrics.confusion_matrix(*flat)).all()
    np.testing.assert_allclose(iou(counts), metrics.jaccard_score(*flat, average=None))
    np.testing.assert_allclose(dice(counts), metrics.f1_score(*flat, average=None))
    assert pixel_accuracy(counts) == pytest.approx(metrics.accuracy_score(*flat))
