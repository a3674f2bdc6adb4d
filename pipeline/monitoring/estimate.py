"""How right a model is where the truth is unknown: its confidence, calibrated where it is known.

The test pictures show how often pixels of a class and level of confidence (`observation.EDGES`) are
right, and to which classes the wrong ones belong. In other pictures, the same rates are assumed.
That holds for other mixtures of the same pictures; on unlike ones, models are surer than they
should be, and the estimate is too high (docs/operations.md). The interval is for new pictures like
these: the pictures are resampled and, from the test pictures, the error of such an estimate.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.monitoring.observation import EDGES, LEVEL, LEVELS
from pipeline.monitoring.reference import RIGHT, TRUE, Reference
from pipeline.scoring.bootstrap import bootstrap, interval
from pipeline.scoring.confusion import Scores, divide, iou, margins, pixel_accuracy

Levels = NDArray[np.float64]  # (..., C, LEVELS): of the pixels with a class and a level


class Score(NamedTuple):
    """An estimate in [0, 1] with its 95 % interval over pictures, and the reference's score."""

    estimate: float
    low: float
    high: float
    reference: float


class Estimate(NamedTuple):
    """The mIoU is of the classes that the reference has, without those that no row shows."""

    pixel_accuracy: Score
    miou: Score


def accuracies(reference: Reference) -> Levels:
    """The share of right pixels by class and level: (C, LEVELS), in [0, 1].

    A level that a class lacks has the share of all classes, else the middle of the level.
    """
    middles = np.convolve([0, *EDGES, 255], [0.5, 0.5], "valid") / 255
    together = divide(reference.right.sum(axis=0), reference.pixels.sum(axis=0))
    together = np.where(np.isnan(together), middles, together)
    own = divide(reference.right, reference.pixels)
    return np.where(reference.pixels > 0, own, together)


def mistaken(reference: Reference) -> NDArray[np.float64]:
    """(C, C): of the wrong pixels of each class (column), what share belongs to each (row)."""
    wrong = reference.confusion * (1 - np.eye(len(reference.classes)))
    shares = divide(wrong, np.broadcast_to(wrong.sum(axis=0), wrong.shape))
    return np.nan_to_num(shares)  # never wrong in the test: not in the estimate either


def estimated_margins(levels: Levels, reference: Reference) -> NDArray[np.float64]:
    """(N, C, LEVELS) pixels to the (N, C, 3) true, predicted and right ones to be expected."""
    predicted = levels.sum(axis=-1)
    right = (levels * accuracies(reference)).sum(axis=-1)
    true = right + (predicted - right) @ mistaken(reference).T
    return np.stack([true, predicted, right], axis=-1)


def estimate(rows: pd.DataFrame, reference: Reference) -> Estimate | None:
    """The scores of a log's rows together, as an evaluation counts them: by pixel.

    None if no row has a confidence, or shows a class that the test has.
    """
    rows = rows[rows["confidence"].notna()]
    if rows.empty:
        return None
    pixels = (rows["width"] * rows["height"]).to_numpy(np.float64)
    levels = level_shares(rows, reference.classes) * pixels[:, None, None]
    counted = estimated_margins(levels, reference)

    drawn = _resampled(counted) - _resampled(errors(reference), seed=1) * (
        # The mean error of as many pictures as these, and that of the reference itself.
        pixels.sum() / len(reference.pictures) * np.sqrt(1 + len(reference.pictures) / len(rows))
    )
    drawn = drawn.clip(0)
    drawn[..., 2] = drawn.min(axis=-1)  # no more are right than are true, or predicted
    tested = margins(reference.confusion)
    whole = counted.sum(axis=0)
    seen = shown(whole, tested)
    if not seen.any():
        return None
    low, high = interval(_both(drawn, seen))
    found = [_both(whole, seen), low, high, _both(tested, seen)]
    accuracy, miou = np.stack(found, axis=-1).tolist()
    return Estimate(Score(*accuracy), Score(*miou))


def errors(reference: Reference) -> NDArray[np.float64]:
    """(N, C, 3): each test picture's estimated margins less the true ones, as shares of its pixels.

    Their mean over the pictures is subtracted; calibration makes it 0 but for ignored pixels.
    """
    pictures, names = reference.pictures, reference.classes
    found = estimated_margins(level_shares(pictures, names), reference)
    for place, start in ((0, TRUE), (2, RIGHT)):
        columns = [f"{start}{name}" for name in names]
        found[..., place] -= pictures.reindex(columns=columns).to_numpy(np.float64, na_value=0)
    found[..., 1] = 0
    return found - found.mean(axis=0)


def _resampled(counted: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """The sums of the resamples: (R, C, 3) from the pictures' (N, C, 3)."""
    return bootstrap(lambda drawn: np.tensordot(drawn, counted, axes=1), len(counted), seed=seed)


def shown(counted: NDArray, tested: NDArray) -> NDArray[np.bool_]:
    """Which classes have an IoU: (C,), of margins (C, 3) and the test's (C, 3).

    Those that the test has, without those that it found somewhere, and that are found nowhere here:
    an evaluation leaves out classes that no picture has.
    """
    true, predicted, _ = tested.T
    return (true > 0) & ((counted[:, 1] > 0) | (predicted == 0))


def level_shares(rows: pd.DataFrame, classes: Sequence[str]) -> Levels:
    """(N, C, LEVELS): of each picture's pixels, from a log's columns; what is missing is 0."""
    names = [f"{LEVEL}{name}.{level}" for name in classes for level in range(LEVELS)]
    table = rows.reindex(columns=names).astype(float).fillna(0)
    return table.to_numpy().reshape(len(rows), len(classes), LEVELS)


def _both(counted: NDArray, scored: NDArray[np.bool_]) -> Scores:
    """Pixel accuracy, and mean IoU of the `scored` classes (C,), 0 without a pixel: (..., 2)."""
    ious = np.nan_to_num(iou(counted[..., scored, :]))
    return np.stack([pixel_accuracy(counted), ious.mean(axis=-1)], axis=-1)
