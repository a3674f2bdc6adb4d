"""How sure a score is, and how much better one of two models: a bootstrap over a test list.

The images are drawn again, as many as there are and with replacement, a thousand times; the
quantiles of the thousand scores are the percentile interval of Efron (1979; Efron and Tibshirani,
An Introduction to the Bootstrap, 1993, chapter 13). A whole image is drawn, never single pixels:
the pixels of one image are anything but independent. How often each image was drawn is said by
matrices of weights, so that many resamples are one matrix product; all thousand would be 100 MB for
100,000 images, and so come in pieces. Two models are compared on the same weights: what makes an
image hard for both then cancels out.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.confusion import Counts, Margins, Scores, divide, iou, mean_iou

Weights = NDArray[np.uint8]  # (R, N): how often resample r drew image n

CHUNK = 2_000_000  # weights at a time: 16 MB as float64
EXACT = 2**53  # below it, sums of whole numbers in float64 have no rounding error


@dataclass(frozen=True)
class Change:
    """A score of both models, and the interval of the difference."""

    champion: float
    challenger: float
    low: float
    high: float

    @property
    def gain(self) -> float:
        return self.challenger - self.champion


@dataclass(frozen=True)
class Comparison:
    """How the scores change from champion to challenger on the same images.

    Only the classes that the true masks hold are compared, and `miou` is their mean.
    """

    images: int
    miou: Change
    iou: dict[str, Change]  # by class


@dataclass(frozen=True, eq=False)
class Pair:
    """What two models did on the same N images, in the same order."""

    challenger: Margins  # (N, C, 3)
    champion: Margins
    classes: Sequence[str]


def bootstrap(
    score: Callable[[Weights], Scores], images: int, resamples: int = 1000, seed: int = 0
) -> Scores:
    """The score of each resample: (R, ...). `score` makes (r, ...) of weights (r, N)."""
    pieces = bootstrap_weights(images, resamples, seed)
    return np.concatenate([score(weights) for weights in pieces])


def bootstrap_weights(images: int, resamples: int = 1000, seed: int = 0) -> Iterator[Weights]:
    """How often each of `images` > 0 is drawn in each resample, in pieces of CHUNK at most.

    A piece is (r, N) with rows that sum to N; the r are `resamples` together. Drawn with integers
    alone: the same on every machine.
    """
    assert images > 0
    generator = np.random.default_rng(seed)
    rows = max(1, CHUNK // images)
    for start in range(0, resamples, rows):
        weights = np.empty((min(rows, resamples - start), images), dtype=np.uint8)
        for row in weights:
            drawn = np.bincount(generator.integers(images, size=images), minlength=images)
            assert drawn.max() <= 255  # by chance once in 10 to the power of 500
            row[:] = drawn
        yield weights


def resampled_counts(counts: Counts, weights: Weights) -> Counts:
    """The summed matrix of each resample: (R, C, C) int64, exact, from the images' (N, C, C)."""
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    assert flat.sum() * weights.max() < EXACT
    sums = weights.astype(np.float64) @ flat
    return sums.astype(np.int64).reshape(len(weights), *counts.shape[1:])


def resampled_means(values: Scores, weights: Weights) -> Scores:
    """The mean over the images of each resample: (R, ...) from (N, ...).

    Images whose value is NaN, since they had nothing to score, are left out; a resample of
    nothing else is NaN.
    """
    flat = values.reshape(len(values), -1)
    known = ~np.isnan(flat)
    times = weights.astype(np.float64)
    total, number = times @ np.where(known, flat, 0), times @ known.astype(np.float64)
    return divide(total, number).reshape(-1, *values.shape[1:])


def interval(samples: Scores, level: float = 0.95) -> Scores:
    """The low and the high end, (2, ...), of the middle `level` of the samples (R, ...).

    Samples that are NaN are left out; without any other the ends are NaN. Of a single image
    every resample is the same, so that both ends are its score: nothing is known of the next one.
    """
    tail = (1 - level) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN: the ends are NaN, as promised
        return np.nanquantile(samples, [tail, 1 - tail], axis=0)


def paired_bootstrap(pair: Pair, *, confidence: float, resamples: int, seed: int) -> Comparison:
    """Compare the two models of a pair."""
    present = pair.champion[..., 0].sum(axis=0) > 0  # (C,)

    def scores(counted: Margins) -> Scores:
        """Mean IoU, then the IoU of each class that is present: (..., 1 + C) from (..., C, 3).

        A resample may lack a rare class: its mean is that of the others, as it is for a whole list.
        """
        ious = iou(counted)[..., present]
        return np.concatenate([mean_iou(counted)[..., None], ious], axis=-1)

    def gains(weights: Weights) -> Scores:  # of both on the same resamples: (r, 1 + C)
        new, old = (
            resampled_counts(counts, weights) for counts in (pair.challenger, pair.champion)
        )
        return scores(new) - scores(old)

    low, high = interval(bootstrap(gains, len(pair.champion), resamples, seed), confidence)
    old, new = (scores(counts.sum(axis=0)) for counts in (pair.champion, pair.challenger))
    rows = zip(*(ends.tolist() for ends in (old, new, low, high)), strict=True)
    miou, *classes = (Change(*row) for row in rows)
    names = [name for name, there in zip(pair.classes, present, strict=True) if there]
    return Comparison(len(pair.champion), miou, dict(zip(names, classes, strict=True)))
