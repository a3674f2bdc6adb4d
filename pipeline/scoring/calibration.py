"""Calibration: whether the model is right as often as it is sure.

Guo et al. 2017, arXiv 1706.04599: the pixels are sorted into bins by confidence, the probability of
the class that was chosen; the expected calibration error is the mean distance between a bin's
accuracy and its mean confidence, weighted by its pixels.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Bins = NDArray[np.float64]  # (..., BINS, 3): pixels, those that were right, sum of confidence

BINS = 15  # of equal width from 0 to 1, as in the paper


def reliability_bins(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> Bins:
    """The bins of one picture, from each pixel's confidence in [0, 1] and whether it was right."""
    place = np.minimum((confidence.ravel() * BINS).astype(np.intp), BINS - 1)
    sums = np.bincount(place, confidence.ravel(), BINS)
    pixels, hits = np.bincount(place, minlength=BINS), np.bincount(place[right.ravel()], None, BINS)
    return np.stack([pixels, hits, sums], axis=-1)


def calibration_error(bins: Bins) -> NDArray[np.float64]:
    """The expected calibration error in [0, 1], of added-up bins: (...,)."""
    pixels, hits, sums = np.moveaxis(bins, -1, 0)
    return np.abs(hits - sums).sum(axis=-1) / pixels.sum(axis=-1)


def reliability_table(bins: Bins) -> pd.DataFrame:
    """One row a bin that has pixels: its mean confidence, accuracy, and share of the pixels."""
    pixels, hits, sums = bins[bins[:, 0] > 0].T
    return pd.DataFrame(
        {
            "confidence": (sums / pixels).round(6),
            "accuracy": (hits / pixels).round(6),
            "share": (pixels / pixels.sum()).round(6),
        }
    )
