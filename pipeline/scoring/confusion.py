"""Confusion matrices of pixels, and the scores that follow from them.

A matrix counts pixels: row = true class, column = predicted. IoU = TP / (TP + FP + FN) as in
the PASCAL VOC challenge (Everingham et al. 2010); Dice = 2 TP / (2 TP + FP + FN).
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Counts = NDArray[np.int64]  # (..., C, C)
Scores = NDArray[np.float64]  # (..., C)


def confusion_matrix(truth: "Tensor", prediction: "Tensor", classes: int) -> "Tensor":
    """Count the pixels of each (true, predicted) pair: (C, C) int64.

    Both arguments are integer class ids of one shape, any.
    """
    assert truth.shape == prediction.shape, f"{truth.shape} against {prediction.shape}"
    pairs = truth.flatten().long() * classes + prediction.flatten().long()
    return pairs.bincount(minlength=classes**2).view(classes, classes)


def iou(counts: Counts) -> Scores:
    """IoU per class in [0, 1]; NaN for a class that is neither present nor predicted."""
    hits, truth, predicted = _margins(counts)
    return divide(hits, truth + predicted - hits)


def dice(counts: Counts) -> Scores:
    """Dice coefficient per class in [0, 1]; NaN as for `iou`."""
    hits, truth, predicted = _margins(counts)
    return divide(2 * hits, truth + predicted)


def iou_of_present(counts: Counts) -> Scores:
    """As `iou`; NaN for each class that the truth lacks, even if it is predicted somewhere."""
    return np.where(counts.sum(axis=-1) > 0, iou(counts), np.nan)


def mean_iou(counts: Counts) -> Scores:
    """The mean IoU of the classes that the truth has: no prediction changes which these are."""
    return np.nanmean(iou_of_present(counts), axis=-1)


def pixel_accuracy(counts: Counts) -> Scores:
    """The share of pixels whose class is right."""
    return divide(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def merge(counts: Counts, groups: Sequence[Sequence[int]]) -> Counts:
    """The (..., G, G) matrix with the classes of each group merged into one."""
    rows = np.stack([counts[..., list(group), :].sum(axis=-2) for group in groups], axis=-2)
    return np.stack([rows[..., list(group)].sum(axis=-1) for group in groups], axis=-1)


def class_scores(confusion: "Tensor", classes: Sequence[str]) -> dict[str, Any]:
    """{"miou": ..., "iou": {class: ...}} of a (C, C) matrix, rounded, ready for JSON."""
    counts = confusion.numpy()
    ious = {name: rounded(score) for name, score in zip(classes, iou(counts), strict=True)}
    return {"miou": rounded(mean_iou(counts)), "iou": ious}


def rounded(score: SupportsFloat) -> float | None:
    """Six decimals; None for NaN (a class that is nowhere), which JSON does not have."""
    return None if math.isnan(float(score)) else round(float(score), 6)


def divide(part: NDArray, whole: NDArray) -> Scores:
    """Part / whole, element by element; 0 / 0 is NaN: nothing to score."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


def _margins(counts: Counts) -> tuple[Counts, Counts, Counts]:
    return np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1), counts.sum(axis=-2)
