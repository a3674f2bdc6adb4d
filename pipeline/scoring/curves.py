"""The course of a training: a row an epoch, and which of them was the best."""

import time
from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipeline.data.pets import CLASSES
from pipeline.model.fit import Epoch
from pipeline.scoring.confusion import iou, mean_iou, rounded

Row = dict[str, Any]


def curve_row(epoch: Epoch) -> Row:
    """The epoch's number, losses, scores and learning rate, and when it ended.

    `time` is in milliseconds since 1970, as MLflow counts it.
    """
    counts = epoch.confusion.numpy()
    ious = {name: rounded(score) for name, score in zip(CLASSES, iou(counts), strict=True)}
    return {
        "epoch": epoch.number,
        "time": time.time_ns() // 1_000_000,
        "train": {"loss": epoch.train_loss, "lr": epoch.lr},
        "val": {"loss": epoch.val_loss, "miou": rounded(mean_iou(counts)), "iou": ious},
    }


def best_row(rows: Sequence[Row]) -> Row:
    """The row with the highest validation mIoU; the first of equal ones."""
    return max(rows, key=lambda row: row["val"]["miou"])


def summary(rows: Sequence[Row]) -> Row:
    """The epoch that was kept: its number, training loss and validation scores."""
    best = best_row(rows)
    return {"best_epoch": best["epoch"], "train_loss": best["train"]["loss"], "val": best["val"]}


def curve_table(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows as a table with flat columns (val_iou_pet), without the time: it varies."""
    return pd.json_normalize(list(rows), sep="_").drop(columns="time")
