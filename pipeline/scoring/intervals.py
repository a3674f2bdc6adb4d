"""How sure a score is: bootstrap intervals over the images of a test list.

The images are drawn again, as many as there are and with replacement, a thousand times; the
quantiles of the thousand scores are the percentile interval of Efron (1979; Efron and Tibshirani,
An Introduction to the Bootstrap, 1993, chapter 13). A whole image is drawn, never single pixels:
the pixels of one image are anything but independent. How often each image was drawn is said by a
matrix of weights, so that a thousand resamples are one matrix product. Two models are compared on
the same weights: what makes an image hard for both then cancels out.
"""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.confusion import Counts, Scores, divide

Weights = NDArray[np.uint8]  # (R, N): how often resample r drew image n

CHUNK = 2_000_000  # weights at a time as float64: 16 MB
EXACT = 2**53  # below it, sums of whole numbers in float64 have no rounding error


def bootstrap_weights(images: int, resamples: int = 1000, seed: int = 0) -> Weights:
    """How often each of `images` > 0 is drawn in each resample: (R, N), rows sum to N.

    One byte each, 100 MB for 100,000 images. Drawn with integers alone: the same on every machine.
    """
    assert images > 0
    generator = np.random.default_rng(seed)
    weights = np.empty((resamples, images), dtype=np.uint8)
    for row in weights:
        drawn = np.bincount(generator.integers(images, size=images), minlength=images)
        assert drawn.max() <= 255  # by chance once in 10 to the power of 500
        row[:] = drawn
    return weights


def resampled_counts(counts: Counts, weights: Weights) -> Counts:
    """The summed matrix of each resample: (R, C, C) int64, exact, from the images' (N, C, C)."""
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    assert flat.sum() * weights.max() < EXACT
    sums = np.concatenate([chunk @ flat for chunk in _chunks(weights)])
    return sums.astype(np.int64).reshape(-1, *counts.shape[1:])


def resampled_means(values: Scores, weights: Weights) -> Scores:
    """The mean over the images of each resample: (R, ...) from (N, ...).

    Images whose value is NaN, since they had nothing to score, are left out; a resample of
    nothing else is NaN.
    """
    flat = values.reshape(len(values), -1)
    known = ~np.isnan(flat)
    sums = [
        (chunk @ np.where(known, flat, 0), chunk @ known.astype(np.float64))
        for chunk in _chunks(weights)
    ]
    total, number = (np.concatenate(parts) for parts in zip(*sums, strict=True))
    return divide(total, number).reshape(-1, *values.shape[1:])


def paired_difference(
    challenger: Counts, champion: Counts, score: Callable[[Counts], Scores], weights: Weights
) -> Scores:
    """By how much the challenger's score is higher in each resample: (R, ...).

    Both matrices, (N, C, C), are of the same images in the same order; `score` takes (R, C, C).
    """
    assert challenger.shape == champion.shape, f"{challenger.shape} against {champion.shape}"
    return score(resampled_counts(challenger, weights)) - score(resampled_counts(champion, weights))


def interval(samples: Scores, level: float = 0.95) -> Scores:
    """The low and the high end, (2, ...), of the middle `level` of the samples (R, ...).

    Samples that are NaN are left out; without any other the ends are NaN. Of a single image
    every resample is the same, so that both ends are its score: nothing is known of the next one.
    """
    tail = (1 - level) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN: the ends are NaN, as promised
        return np.nanquantile(samples, [tail, 1 - tail], axis=0)


def _chunks(weights: Weights) -> Iterator[NDArray[np.float64]]:
    """The rows as float64, for BLAS; some at a time, so that memory stays bounded."""
    rows = max(1, CHUNK // weights.shape[1])
    for start in range(0, len(weights), rows):
        yield weights[start : start + rows].astype(np.float64)
