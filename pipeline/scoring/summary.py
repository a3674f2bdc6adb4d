"""From what was counted in each picture to tables and headline numbers.

The border is read in three customary ways, and a figure says which: as a class of its own (no
prefix), merged into the pet (`border_merged`), or with its true pixels left out (`border_ignored`;
a border predicted elsewhere is an error).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.pets import BACKGROUND, BORDER, CLASSES, PET
from pipeline.scoring.calibration import calibration_error
from pipeline.scoring.confusion import (
    Counts,
    dice,
    divide,
    iou,
    mean_iou,
    merge,
    pixel_accuracy,
    rounded,
)
from pipeline.scoring.intervals import (
    Weights,
    bootstrap_weights,
    interval,
    resampled_counts,
    resampled_means,
)
from pipeline.scoring.measure import Measured

# One column a cell: `pet_as_border` counts the pet pixels that were called border.
COUNT_COLUMNS = [f"{truth}_as_{prediction}" for truth in CLASSES for prediction in CLASSES]
PET_WITH_BORDER = ((PET, BORDER), (BACKGROUND,))
WORST = 0.1  # of the pictures, for worst_tenth_miou

# Of the scores those that metrics/evaluate.json, and so every comparison of experiments, shows.
HEADLINE = (
    "miou",
    *(f"iou.{name}" for name in CLASSES),
    "border_merged.iou_pet",
    "border_ignored.iou_pet",
    "boundary_iou_pet",
    "pixel_accuracy",
    "per_image.miou",
    "per_image.worst_tenth_miou",
    "calibration_error",
)

Values = NDArray[np.float64]


def per_image_table(images: pd.DataFrame, measured: Measured) -> pd.DataFrame:
    """The list with the pictures' counts (COUNT_COLUMNS), scores and properties added."""
    counts = measured.counts
    flat = pd.DataFrame(counts.reshape(len(images), -1), columns=COUNT_COLUMNS)
    truth = counts.sum(axis=-1)
    scores = {
        "miou": mean_iou(counts),
        **{f"iou_{name}": iou(counts)[:, place] for place, name in enumerate(CLASSES)},
        **{f"dice_{name}": dice(counts)[:, place] for place, name in enumerate(CLASSES)},
        "boundary_iou_pet": divide(*measured.boundary.T),
        "calibration_error": calibration_error(measured.bins),
        "pet_share": (truth[:, PET] + truth[:, BORDER]) / truth.sum(axis=-1),
        "brightness": measured.brightness,
    }
    table = pd.concat([images.reset_index(drop=True), flat, pd.DataFrame(scores).round(6)], axis=1)
    return table.assign(touches_frame=measured.touches_frame)


def counts_of(table: pd.DataFrame) -> Counts:
    """The (N, C, C) int64 matrices that `per_image_table` wrote into the table."""
    return table[COUNT_COLUMNS].to_numpy(np.int64).reshape(-1, len(CLASSES), len(CLASSES))


def score_table(measured: Measured) -> pd.DataFrame:
    """Every score of the data set (score, value) with its 95 % interval (low, high)."""
    images = len(measured.counts)
    own = per_picture(measured.counts)
    values = scores(measured, own, np.ones((1, images), np.uint8))
    pieces = [scores(measured, own, weights) for weights in bootstrap_weights(images)]
    rows = []
    for name, value in values.items():
        low, high = interval(np.concatenate([piece[name] for piece in pieces]))
        rows.append({"score": name, "value": value[0], "low": low, "high": high})
    return pd.DataFrame(rows).round(6)


def headline(table: pd.DataFrame, images: int) -> dict[str, Any]:
    """The HEADLINE scores of a `score_table`, nested at their dots, the mIoU with its interval."""
    known = table.set_index("score").to_dict("index")
    nested: dict[str, Any] = {"images": images}
    for name in HEADLINE:
        *outer, last = name.split(".")
        inner = nested
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = rounded(known[name]["value"])
        if name == "miou":
            nested |= {f"miou_{end}": rounded(known[name][end]) for end in ("low", "high")}
    return nested


def scores(measured: Measured, own: Mapping[str, Values], weights: Weights) -> dict[str, Values]:
    """The scores of N pictures, each counted as often as its weight says, by name: (R,) each.

    own: each picture's, from `per_picture`. weights: (R, N), one row for each result; ones for the
    plain score. Scores are of the summed counts, in which every pixel weighs the same, but for
    those under `per_image`, which are means over the pictures that have the class, each weighing
    the same.
    """
    counts = resampled_counts(measured.counts, weights)  # (R, C, C)
    merged = merge(counts, PET_WITH_BORDER)
    ignored = counts.copy()
    ignored[:, BORDER] = 0
    without_border = iou(ignored)[:, [PET, BACKGROUND]]
    # Means, not sums: they hold fractions, and the error is the same of both.
    bins = resampled_means(measured.bins, weights)
    return {
        "miou": mean_iou(counts),
        **_by_class("iou", iou(counts)),
        **_by_class("dice", dice(counts)),
        "pixel_accuracy": pixel_accuracy(counts),
        "border_merged.miou": mean_iou(merged),
        "border_merged.iou_pet": iou(merged)[:, 0],
        "border_ignored.miou": np.nanmean(without_border, axis=1),
        "border_ignored.iou_pet": without_border[:, 0],
        "boundary_iou_pet": divide(*resampled_counts(measured.boundary, weights).T),
        "calibration_error": calibration_error(bins),
        "per_image.miou": resampled_means(own["miou"], weights),
        "per_image.worst_tenth_miou": worst_mean(own["miou"], weights, WORST),
        **_by_class("per_image.iou", resampled_means(own["iou"], weights)),
        **_by_class("per_image.dice", resampled_means(own["dice"], weights)),
    }


def per_picture(counts: Counts) -> dict[str, Values]:
    """Of each of the N pictures the mIoU (N,), and (N, C) IoU and Dice."""
    return {"miou": mean_iou(counts), "iou": iou(counts), "dice": dice(counts)}


def worst_mean(values: Values, weights: Weights, share: float) -> Values:
    """The mean of the lowest `share` of the (N,) values, as often as (R, N) weights say: (R,)."""
    order = np.argsort(values)
    return np.array([_lowest_mean(values[order], row[order], share) for row in weights])


def _lowest_mean(ascending: Values, weights: Weights, share: float) -> float:
    reached = weights.cumsum(dtype=np.float64)
    taken = np.clip(share * reached[-1] - (reached - weights), 0, weights)  # the last one in part
    return float(taken @ ascending / taken.sum())


def _by_class(name: str, values: Values) -> dict[str, Values]:
    """(R, C) values as `name.pet` and so on."""
    return {f"{name}.{label}": values[:, place] for place, label in enumerate(CLASSES)}
