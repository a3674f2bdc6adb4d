"""What is counted in one picture: all later scores are sums and means of this."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pipeline.data.pets import BACKGROUND, CLASSES, PET
from pipeline.scoring.boundary import boundary_counts
from pipeline.scoring.calibration import Bins, reliability_bins
from pipeline.scoring.confusion import Counts


@dataclass(frozen=True)
class Measured:
    """Of one picture; or of N, with a leading dimension."""

    counts: Counts  # (C, C) int64: row = true class, column = predicted
    boundary: NDArray[np.int64]  # (2,): pixels in both boundaries of the pet, and in either
    bins: Bins  # (BINS, 3) float64
    brightness: NDArray[np.float64]  # mean of the photograph, in [0, 1]
    touches_frame: NDArray[np.bool_]  # whether true pet or border reaches the picture's edge


def measure(
    photograph: NDArray[np.uint8], truth: NDArray[np.uint8], scores: NDArray[np.float32]
) -> Measured:
    """Compare the (C, H, W) logits with the (H, W) true class ids of the (H, W, 3) photograph."""
    best = scores.max(axis=0)
    prediction = scores.argmax(axis=0)
    confidence = 1 / np.exp(scores - best).sum(axis=0)  # the softmax of the largest
    pairs = truth.ravel() * np.intp(len(CLASSES)) + prediction.ravel()
    counts = np.bincount(pairs, minlength=len(CLASSES) ** 2)
    edge = np.concatenate([truth[0], truth[-1], truth[:, 0], truth[:, -1]])
    return Measured(
        counts=counts.reshape(len(CLASSES), len(CLASSES)),
        boundary=boundary_counts(truth == PET, prediction == PET),
        bins=reliability_bins(confidence, prediction == truth),
        brightness=np.asarray(photograph.mean() / 255),
        touches_frame=np.asarray((edge != BACKGROUND).any()),
    )


def stack(measured: Sequence[Measured]) -> Measured:
    """N pictures' counts as one, each with a leading dimension N."""
    return _joined(np.stack, measured)


def concatenate(measured: Sequence[Measured]) -> Measured:
    """Several stacks as one."""
    return _joined(np.concatenate, measured)


def _joined(join: Callable[[list[NDArray]], NDArray], measured: Sequence[Measured]) -> Measured:
    names = [field.name for field in fields(Measured)]
    return Measured(**{name: join([getattr(each, name) for each in measured]) for name in names})
