"""What is counted in a picture, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn import metrics

from pipeline.scoring.confusion import dice, iou
from pipeline.scoring.measure import measure, stack

PHOTOGRAPH = np.full((6, 8, 3), 51, np.uint8)  # a fifth of white


def random_picture(seed):
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, (6, 8)).astype(np.uint8)
    return truth, random.normal(size=(3, 6, 8)).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_confusion_and_scores_agree_with_scikit_learn(seed):
    truth, logits = random_picture(seed)
    counts = measure(PHOTOGRAPH, truth, logits).counts
    flat = truth.ravel(), logits.argmax(axis=0).ravel()
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(*flat, labels=[0, 1, 2]))
    np.testing.assert_allclose(iou(counts), metrics.jaccard_score(*flat, average=None))
    np.testing.assert_allclose(dice(counts), metrics.f1_score(*flat, average=None))


def test_confidence_is_the_softmax_of_the_chosen_class():
    truth = np.zeros((1, 1), np.uint8)
    logits = np.log(np.array([7, 2, 1], np.float32)).reshape(3, 1, 1)
    bins = measure(PHOTOGRAPH[:1, :1], truth, logits).bins
    (place,) = np.flatnonzero(bins[:, 0])
    assert bins[place] == pytest.approx([1, 1, 0.7])


def test_properties_of_the_picture():
    inside = np.ones((6, 8), np.uint8)
    inside[2:4, 3:5] = 0
    at_the_edge = inside.copy()
    at_the_edge[5, 3] = 2
    logits = np.zeros((3, 6, 8), np.float32)
    both = stack([measure(PHOTOGRAPH, mask, logits) for mask in (inside, at_the_edge)])
    assert both.brightness == pytest.approx([0.2, 0.2])
    assert both.touches_frame.tolist() == [False, True]
    assert both.counts.shape == (2, 3, 3)
    assert both.boundary.shape == (2, 2)
