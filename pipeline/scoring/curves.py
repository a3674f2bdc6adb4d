"""The course of a training: the scores of an epoch, the epoch that is kept, the curves."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from torch import Tensor

from pipeline.data.pets import CLASSES
from pipeline.model.training import Row, best_row
from pipeline.scoring.confusion import iou, mean_iou, rounded


def validation_scores(confusion: Tensor) -> dict[str, Any]:
    """MIoU and IoU by class of the validation list's (C, C) confusion matrix, in [0, 1].

    The IoU of a class that is nowhere is None, and does not count for the mean.
    """
    counts = confusion.numpy()
    ious = {name: rounded(score) for name, score in zip(CLASSES, iou(counts), strict=True)}
    return {"miou": rounded(mean_iou(counts)), "iou": ious}


def kept_epoch(rows: Sequence[Row]) -> dict[str, Any]:
    """The number of the best epoch, its training loss, and its validation loss and scores."""
    best = best_row(rows)
    return {"best_epoch": best["epoch"], "train_loss": best["train"]["loss"], "val": best["val"]}


def curve_table(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows as a table with flat columns (val_iou_pet), without the time, which varies."""
    return pd.json_normalize(list(rows), sep="_").drop(columns="time")
