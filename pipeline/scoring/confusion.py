"""Counts of right and wrong pixels, and the scores that follow from them.

A confusion matrix counts pixels: row = true class, column = predicted. Most scores need only its
margins: of each class the true, the predicted and the right pixels, which grow with the number of
classes, not with its square. IoU = TP / (TP + FP + FN) as in the PASCAL VOC challenge (Everingham
et al. 2010); Dice = 2 TP / (2 TP + FP + FN).
"""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Counts = NDArray[np.int64]  # (..., C, C)
Margins = NDArray[np.int64]  # (..., C, 3): true, predicted and right pixels of each class
Scores = NDArray[np.float64]  # (..., C)


def confusion_matrix(truth: "Tensor", prediction: "Tensor", classes: int) -> "Tensor":
    """Count the pixels of each (true, predicted) pair: (C, C) int64.

    Both arguments are integer class ids of one shape, any. Pixels whose truth is IGNORE, or any
    other number that is no class, are not counted.
    """
    assert truth.shape == prediction.shape, f"{truth.shape} against {prediction.shape}"
    pairs = truth.flatten().long() * classes + prediction.flatten().long()
    return pairs.bincount(minlength=classes**2)[: classes**2].view(classes, classes)


def count_pairs(
    truth: NDArray[np.integer], prediction: NDArray[np.integer], classes: int
) -> Counts:
    """As `confusion_matrix`, of NumPy's arrays."""
    known = truth < classes
    pairs = truth[known] * np.int64(classes) + prediction[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def margins(
    counts: Counts, classes: Iterable[Sequence[int]] = (), left_out: Sequence[int] = ()
) -> Margins:
    """(..., C, C) to (..., C, 3): the true, predicted and right pixels of each class.

    classes: for each class to score, the ids that count as it (default: every id by itself).
    left_out: classes whose true pixels are not counted; predicted elsewhere, they are errors.
    """
    if len(left_out):
        counts = counts.copy()
        counts[..., list(left_out), :] = 0
    true, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    parts = [list(ids) for ids in classes] or [[place] for place in range(counts.shape[-1])]
    rows = [
        (
            true[..., ids].sum(axis=-1),
            predicted[..., ids].sum(axis=-1),
            counts[..., ids, :][..., ids].sum(axis=(-2, -1)),
        )
        for ids in parts
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def iou(counted: Margins) -> Scores:
    """IoU per class in [0, 1]; NaN for each class that the truth lacks, even if it is predicted."""
    true, predicted, right = np.moveaxis(counted, -1, 0)
    return np.where(true > 0, divide(right, true + predicted - right), np.nan)


def dice(counted: Margins) -> Scores:
    """Dice coefficient per class in [0, 1]; NaN as for `iou`."""
    true, predicted, right = np.moveaxis(counted, -1, 0)
    return np.where(true > 0, divide(2 * right, true + predicted), np.nan)


def mean_iou(counted: Margins) -> Scores:
    """The mean IoU of the classes that the truth has: no prediction changes which these are.

    NaN where the truth has none, since all pixels are ignored.
    """
    scores = iou(counted)
    present = ~np.isnan(scores)
    return divide(np.where(present, scores, 0).sum(axis=-1), present.sum(axis=-1))


def pixel_accuracy(counted: Margins) -> Scores:
    """The share of pixels whose class is right."""
    return divide(counted[..., 2].sum(axis=-1), counted[..., 0].sum(axis=-1))


def class_scores(confusion: "Tensor", classes: Sequence[str]) -> dict[str, Any]:
    """{"miou": ..., "iou": {class: ...}} of a (C, C) matrix, rounded, ready for JSON."""
    counted = margins(confusion.numpy())
    scores = iou(counted)
    ious = {name: rounded(score) for name, score in zip(classes, scores, strict=True)}
    return {"miou": rounded(mean_iou(counted)), "iou": ious}


def rounded(score: SupportsFloat) -> float | None:
    """Six decimals; None for NaN (a class that is nowhere), which JSON does not have."""
    return None if math.isnan(float(score)) else round(float(score), 6)


def divide(part: NDArray, whole: NDArray) -> Scores:
    """Part / whole, element by element; 0 / 0 is NaN: nothing to score."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)
