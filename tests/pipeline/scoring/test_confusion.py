"""Scores by hand; stages/test_evaluate.py compares them with scikit-learn's."""

import numpy as np
import pytest
import torch

from pipeline.scoring.confusion import (
    class_scores,
    confusion_matrix,
    count_pairs,
    dice,
    iou,
    margins,
    mean_iou,
    pixel_accuracy,
)

# Rows are the truth: of 10 pet pixels 6 are right, 3 background, 1 border, and so on.
COUNTS = np.array([[6, 3, 1], [2, 20, 0], [0, 4, 4]])


def test_scores_of_a_matrix_by_hand():
    counted = margins(COUNTS)
    assert counted.tolist() == [[10, 8, 6], [22, 27, 20], [8, 5, 4]]  # true, predicted, right
    np.testing.assert_allclose(iou(counted), [6 / 12, 20 / 29, 4 / 9])
    np.testing.assert_allclose(dice(counted), [12 / 18, 40 / 49, 8 / 13])
    assert mean_iou(counted) == pytest.approx((6 / 12 + 20 / 29 + 4 / 9) / 3)
    assert pixel_accuracy(counted) == pytest.approx(30 / 40)


def test_classes_that_are_merged_or_left_out_by_hand():
    assert margins(COUNTS, [[0, 2], [1]]).tolist() == [
        [10 + 8, 8 + 5, 6 + 1 + 0 + 4],
        [22, 27, 20],
    ]
    # The true pixels of class 2 are gone; the pixel of class 0 that is called 2 is still missed.
    assert margins(COUNTS, [[0], [1]], left_out=[2]).tolist() == [[10, 8, 6], [22, 23, 20]]
    assert COUNTS[2].sum() == 8  # the argument is what it was


def test_pixels_whose_truth_is_no_class_are_not_counted():
    truth = torch.tensor([[0, 255, 1], [255, 254, 2]], dtype=torch.uint8)
    prediction = torch.tensor([[0, 0, 1], [2, 1, 1]])
    expected = [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert confusion_matrix(truth, prediction, 3).tolist() == expected
    assert count_pairs(truth.numpy(), prediction.numpy().astype(np.uint8), 3).tolist() == expected
    truth, prediction = torch.tensor([249, 255]), torch.tensor([249, 249])
    counts = confusion_matrix(truth, prediction, 250)
    assert counts.shape == (250, 250)
    assert counts[249, 249] == counts.sum() == 1
    nothing = margins(confusion_matrix(truth[1:], prediction[1:], 250).numpy())
    assert np.isnan(mean_iou(nothing))
    assert np.isnan(pixel_accuracy(nothing))


def test_a_class_that_is_nowhere_has_no_score_and_does_not_count():
    counts = np.array([[5, 0, 0], [5, 10, 0], [0, 0, 0]])
    for score in (iou, dice):
        assert np.isnan(score(margins(counts))[2])
    assert mean_iou(margins(counts)) == pytest.approx((5 / 10 + 10 / 15) / 2)
    assert class_scores(torch.from_numpy(counts), "abc") == {
        "miou": pytest.approx((5 / 10 + 10 / 15) / 2, abs=1e-6),
        "iou": {"a": 0.5, "b": 0.666667, "c": None},  # rounded: scores that print alike are equal
    }


def test_a_class_that_is_only_predicted_has_no_score_and_changes_no_mean():
    counts = np.array([[5, 0, 1], [5, 9, 1], [0, 0, 0]])
    for score in (iou, dice):
        assert np.isnan(score(margins(counts))[2])
    assert mean_iou(margins(counts)) == pytest.approx((5 / 11 + 9 / 15) / 2)


def test_a_stack_of_matrices_is_scored_one_by_one():
    stack = margins(np.stack([COUNTS, COUNTS.T, np.eye(3, dtype=int)]))
    for scores in (iou, dice, mean_iou, pixel_accuracy):
        np.testing.assert_allclose(scores(stack), [scores(one) for one in stack])
