"""What is counted in an image, against the definitions, scikit-learn, and by hand."""

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from tiny_pets import PETS

from pipeline.data.classes import IGNORE, Class, Classes, Reading
from pipeline.scoring.measure import (
    BINS,
    boundary,
    boundary_counts,
    calibration_error,
    joined,
    measure,
    reliability_bins,
    reliability_table,
)

IMAGE = np.full((6, 8, 3), 51, np.uint8)  # a fifth of white


def test_confidence_is_the_softmax_of_the_chosen_class():
    truth = np.zeros((1, 1), np.uint8)
    logits = torch.tensor([7.0, 2.0, 1.0]).log().reshape(3, 1, 1)
    bins = measure(IMAGE[:1, :1], truth, logits, PETS).bins
    (place,) = np.flatnonzero(bins[:, 0])
    assert bins[place] == pytest.approx([1, 1, 0.7])


def test_properties_of_the_image():
    inside = np.ones((6, 8), np.uint8)
    inside[2:4, 3:5] = 0
    at_the_edge = inside.copy()
    at_the_edge[5, 3] = 2
    logits = torch.zeros(3, 6, 8)
    both = joined(np.stack, [measure(IMAGE, mask, logits, PETS) for mask in (inside, at_the_edge)])
    assert both.brightness == pytest.approx([0.2, 0.2])
    assert both.touches_frame.tolist() == [False, True]
    assert both.margins.shape == (2, 3, 3)
    assert both.boundary.shape == (2, 1, 2)  # of the pet alone
    assert both.confusion.sum() == 2 * 6 * 8


def many(count):
    """So many classes, none of which is foreground, with a reading that merges the first two."""
    entries = tuple(Class(f"c{number}", "#123456") for number in range(count))
    return Classes("many", entries, IGNORE, {"joined": Reading({"both": ("c0", "c1")}, ("c2",))})


def logits_of(prediction, classes):
    return 9 * torch.nn.functional.one_hot(torch.tensor(prediction), classes).permute(2, 0, 1)


def test_ignored_pixels_are_in_no_count():
    """Whatever is predicted there."""
    truth = np.ones((6, 8), np.uint8)
    truth[1:4, 1:4], truth[:, 5:] = 0, IGNORE
    right = np.where(truth == IGNORE, 2, truth).astype(np.int64)
    wrong = np.where(truth == IGNORE, 0, truth).astype(np.int64)
    for prediction in (right, wrong):
        found = measure(IMAGE, truth, logits_of(prediction, 3).float(), PETS)
        assert found.margins.tolist() == [[9] * 3, [21] * 3, [0] * 3]
        assert found.readings[:, 0].tolist() == [9, 21, 9, 21]
        assert found.boundary.tolist() == [[8, 8]]  # the rim of 3 x 3
        assert found.bins[:, 0].sum() == found.bins[:, 1].sum() == 30
        assert not found.touches_frame


def test_250_classes_are_counted_with_no_matrix_for_each_image():
    classes = many(250)
    truth = np.arange(250).repeat(24).reshape(60, 100).astype(np.uint8)
    image = np.zeros((60, 100, 3), np.uint8)
    found = [measure(image, truth, logits_of(truth.astype(int), 250).float(), classes)] * 3
    together = joined(np.stack, found)
    assert together.margins.shape == (3, 250, 3)
    assert (together.margins == 24).all()
    assert together.readings.tolist() == [[[48] * 3, *[[24] * 3] * 247]] * 3
    assert together.boundary.shape == (3, 250, 2)  # of all, since none is foreground
    assert together.confusion.shape == (250, 250)
    assert not together.touches_frame.any()


def by_definition(region):
    """The region's pixels with a pixel outside it, or the image's edge, within d king's moves."""
    distance = max(1, round(0.02 * np.hypot(*region.shape)))
    sides = (2 * distance + 1,) * 2
    near = np.lib.stride_tricks.sliding_window_view(np.pad(region, distance), sides)
    return region & ~near.all(axis=(2, 3))


def blobs(seed, shape):
    """A few rectangles and holes."""
    random = np.random.default_rng(seed)
    region = np.zeros(shape, bool)
    for value in (True, True, True, False):
        top, left = random.integers(0, shape[0] - 8), random.integers(0, shape[1] - 8)
        region[top : top + random.integers(4, 40), left : left + random.integers(4, 40)] = value
    return region


@pytest.mark.parametrize("shape", [(20, 30), (64, 48), (90, 120)])
@pytest.mark.parametrize("seed", range(3))
def test_the_boundary_is_that_of_the_definition(seed, shape):
    region = blobs(seed, shape)
    np.testing.assert_array_equal(boundary(region), by_definition(region))


def test_the_counts_are_intersection_and_union_of_the_two_boundaries():
    # In 10 x 10 the distance is one pixel: the boundary of a square is its rim.
    truth, prediction = np.zeros((2, 10, 10), bool)
    truth[2:7, 2:7] = True  # a rim of 16
    prediction[2:7, 3:8] = True  # the same, one to the right
    # In both: the four columns that they share in the upper and in the lower row.
    assert boundary_counts(truth, prediction).tolist() == [4 + 4, 16 + 16 - 8]
    assert boundary_counts(truth, truth).tolist() == [16, 16]
    assert boundary_counts(truth & False, truth & False).tolist() == [0, 0]


def test_where_ignored_pixels_begin_is_no_contour():
    truth, prediction, ignored = np.zeros((3, 10, 10), bool)
    truth[2:7, 2:7] = True
    prediction[2:7, 3:8] = True
    ignored[4, 4] = True  # inside both: the same counts as without
    assert boundary_counts(truth, prediction, ignored).tolist() == [4 + 4, 16 + 16 - 8]
    ignored[:, 7:] = True  # both have three sides left, the truth 5 wide, the prediction 4
    assert boundary_counts(truth, prediction, ignored).tolist() == [4 + 4, 13 + 11 - 8]
    assert boundary_counts(truth & False, prediction & False, ignored).tolist() == [0, 0]


def test_the_error_is_that_of_scikit_learns_curve():
    random = np.random.default_rng(0)
    confidence, right = random.uniform(1 / 3, 1, 5000), random.random(5000) < 0.6
    accuracy, mean = calibration_curve(right, confidence, n_bins=BINS, strategy="uniform")
    pixels, _ = np.histogram(confidence, BINS, (0, 1))
    expected = np.average(np.abs(accuracy - mean), weights=pixels[pixels > 0])
    assert calibration_error(reliability_bins(confidence, right)) == pytest.approx(expected)


def test_the_calibration_by_hand_and_that_bins_add_up():
    # Two pixels sure by 0.9, one of them right; one sure by 0.5, and right.
    confidence = np.array([[0.9, 0.9, 0.5]], np.float32)
    bins = reliability_bins(confidence, np.array([[True, False, True]]))
    assert calibration_error(bins) == pytest.approx((2 * abs(0.5 - 0.9) + abs(1 - 0.5)) / 3)
    table = reliability_table(bins)
    assert table["confidence"].tolist() == pytest.approx([0.5, 0.9])
    assert table["accuracy"].tolist() == [1, 0.5]
    assert table["share"].tolist() == pytest.approx([1 / 3, 2 / 3])
    random = np.random.default_rng(0)
    confidence, right = random.random((2, 50), np.float32), random.random((2, 50)) < 0.5
    added = sum(reliability_bins(*one) for one in zip(confidence, right, strict=True))
    np.testing.assert_allclose(added, reliability_bins(confidence, right))
