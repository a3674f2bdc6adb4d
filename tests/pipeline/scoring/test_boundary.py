"""Boundary IoU against a direct reading of its definition."""

import numpy as np
import pytest

from pipeline.scoring.boundary import boundary, boundary_counts


def by_definition(region):
    """The region's pixels with a pixel outside it, or the picture's edge, within d king's moves."""
    height, width = region.shape
    distance = max(1, round(0.02 * (height**2 + width**2) ** 0.5))
    found = np.zeros_like(region)
    for y in range(height):
        for x in range(width):
            near = [
                (v, u)
                for v in range(y - distance, y + distance + 1)
                for u in range(x - distance, x + distance + 1)
            ]
            outside = any(
                not (0 <= v < height and 0 <= u < width) or not region[v, u] for v, u in near
            )
            found[y, x] = region[y, x] and outside
    return found


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
def test_the_boundary_is_what_the_definition_says(seed, shape):
    region = blobs(seed, shape)
    np.testing.assert_array_equal(boundary(region), by_definition(region))


def test_the_counts_are_intersection_and_union_of_the_two_boundaries():
    # In 10 x 10 the distance is one pixel: the boundary of a square is its rim.
    truth, prediction = np.zeros((2, 10, 10), bool)
    truth[2:7, 2:7] = True  # a rim of 16
    prediction[2:7, 3:8] = True  # the same, one to the right
    # In both: the four columns that they share in the upper and in the lower row.
    assert boundary_counts(truth, prediction).tolist() == [4 + 4, 16 + 16 - 8]


def test_equal_regions_have_equal_boundaries_and_empty_ones_none():
    region = blobs(0, (64, 48))
    hits, union = boundary_counts(region, region)
    assert hits == union > 0
    assert boundary_counts(np.zeros((9, 9), bool), np.zeros((9, 9), bool)).tolist() == [0, 0]
