"""How right a model is where the truth is unknown: its confidence, calibrated where it is known.

On the test pictures each class and level of confidence (`observation.EDGES`) was right so often;
the same pixels are taken to be right as often in other pictures, and the wrong ones to belong to
the classes that they belonged to there. That holds for other mixtures of the same pictures; on
unlike ones models are surer than they should be, and the estimate is too high (docs/operations.md).
The interval is that of new pictures like these: both are drawn again, the pictures, and from the
test pictures how far off the estimate of as many is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.monitoring.observation import EDGES, LEVEL, LEVELS
from pipeline.monitoring.reference import RIGHT, TRUE, Reference
from pipeline.scoring.bootstrap import bootstrap, interval
from pipeline.scoring.confusion import Scores, divide, margins, mean_iou, pixel_accuracy

Levels = NDArray[np.float64]  # (..., C, LEVELS): of the pixels with a class and a level


@dataclass(frozen=True)
class Estimate:
    """Scores in [0, 1], each with its 95 % interval over pictures: value, low, high."""

    pixel_accuracy: tuple[float, float, float]
    miou: tuple[float, float, float]


def accuracies(reference: Reference) -> Levels:
    """(C, LEVELS), in [0, 1]. What a class lacks is as in all classes, or as sure as it says."""
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

    None if no row has a confidence.
    """
    rows = rows[rows["confidence"].notna()]
    if rows.empty:
        return None
    pixels = (rows["width"] * rows["height"]).to_numpy(np.float64)
    levels = level_shares(rows, reference.classes) * pixels[:, None, None]
    counted = estimated_margins(levels, reference)

    drawn = _resampled(counted) + _resampled(errors(reference), seed=1) * (
        # The mean error of as many pictures as these, and that of the reference itself.
        pixels.sum() / len(reference.pictures) * np.sqrt(1 + len(reference.pictures) / len(rows))
    )
    low, high = interval(_both(drawn.clip(0), reference))
    value = _both(counted.sum(axis=0), reference)
    accuracy, miou = np.stack([value, low, high], axis=-1).tolist()
    return Estimate(tuple(accuracy), tuple(miou))


def errors(reference: Reference) -> NDArray[np.float64]:
    """(N, C, 3): how far the margins of each test picture are from the estimated, in its pixels.

    The mean over the pictures, which calibration makes 0 up to ignored pixels, is taken off.
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


def reference_scores(reference: Reference) -> tuple[float, float]:
    """Pixel accuracy and mIoU of the test pictures, as the evaluation found them."""
    accuracy, miou = _both(margins(reference.confusion), reference).tolist()
    return accuracy, miou


def level_shares(rows: pd.DataFrame, classes: Sequence[str]) -> Levels:
    """(N, C, LEVELS): of each picture's pixels, from a log's columns; what is missing is 0."""
    names = [f"{LEVEL}{name}.{level}" for name in classes for level in range(LEVELS)]
    table = rows.reindex(columns=names).astype(float).fillna(0)
    return table.to_numpy().reshape(len(rows), len(classes), LEVELS)


def _both(counted: NDArray, reference: Reference) -> Scores:
    """Pixel accuracy and mIoU, (..., 2); a class that the test lacks has no IoU there or here."""
    known = reference.confusion.sum(axis=1) > 0
    return np.stack([pixel_accuracy(counted), mean_iou(counted[..., known, :])], axis=-1)
