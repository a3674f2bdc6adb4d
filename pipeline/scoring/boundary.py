"""Boundary IoU: how well the outline is met, which IoU hardly feels where the region is large.

Cheng et al. 2021, arXiv 2103.16562: of both masks only the pixels within a distance d of the mask's
contour count, and IoU is taken of these.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt

Region = NDArray[np.bool_]  # (H, W)

DISTANCE = 0.02  # of the picture's diagonal: the paper's choice


def boundary(region: Region) -> Region:
    """The pixels of the region within d of its contour: (H, W) bool.

    As in the authors' code: distances in king's moves, d rounded and at least one pixel, and the
    picture's edge bounds the region too.
    """
    height, width = region.shape
    distance = max(1, round(DISTANCE * float(np.hypot(height, width))))
    to_outside = distance_transform_cdt(np.pad(region, 1), metric="chessboard")[1:-1, 1:-1]
    return region & (to_outside <= distance)


def boundary_counts(truth: Region, prediction: Region) -> NDArray[np.int64]:
    """Pixels in both boundaries, and in either: (2,) int64, which adds up over pictures."""
    one, other = boundary(truth), boundary(prediction)
    return np.array([np.count_nonzero(one & other), np.count_nonzero(one | other)])
