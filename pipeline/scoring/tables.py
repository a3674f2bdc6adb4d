"""The tables of an evaluation: every score with its interval, each image, each slice of the list.

The border is scored in three customary ways, and a score's name says which: as a class of its own
(no prefix), merged into the pet (`border_merged`), or with its true pixels left out
(`border_ignored`; a border predicted elsewhere is an error).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.data.pairs import BACKGROUND, BORDER, CLASSES, PET
from pipeline.scoring.confusion import (
    Counts,
    Scores,
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
    bootstrap,
    bootstrap_weights,
    interval,
    resampled_counts,
    resampled_means,
)
from pipeline.scoring.measure import Measured, calibration_error

# One column a cell: `pet_as_border` counts the pet pixels that were called border.
COUNT_COLUMNS = [f"{truth}_as_{prediction}" for truth in CLASSES for prediction in CLASSES]
PET_WITH_BORDER = ((PET, BORDER), (BACKGROUND,))
WORST = 0.1  # share of the images, for worst_tenth_miou
FEW = 10  # images: an interval of fewer says little, and nothing is flagged

# Bounds that do not depend on the images: the slices of two experiments compare.
PET_SIZES = {0.1: "below 10 %", 0.25: "10 to 25 %", 0.5: "25 to 50 %", np.inf: "above 50 %"}
BRIGHTNESSES = {0.35: "dark", 0.6: "medium", np.inf: "bright"}

# The scores that metrics/evaluate.json, and so every comparison of experiments, shows.
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


def per_image_table(images: pd.DataFrame, measured: Measured) -> pd.DataFrame:
    """The list of N images with their counts (COUNT_COLUMNS), scores and properties added."""
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
    """The (N, C, C) int64 confusion matrices in a `per_image_table`."""
    return table[COUNT_COLUMNS].to_numpy(np.int64).reshape(-1, len(CLASSES), len(CLASSES))


def score_table(measured: Measured) -> pd.DataFrame:
    """Every score of the data set (score, value) with its 95 % interval (low, high)."""
    images = len(measured.counts)
    own = image_scores(measured.counts)
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


def scores(measured: Measured, own: Mapping[str, Scores], weights: Weights) -> dict[str, Scores]:
    """The scores of N images, each counted as often as its weight says, by name: (R,) each.

    own: each image's, from `image_scores`. weights: (R, N), one row for each result; ones for the
    plain score. Scores are of the summed counts, in which every pixel weighs the same; those under
    `per_image` are means over the images that have the class, each of which weighs the same.
    """
    counts = resampled_counts(measured.counts, weights)  # (R, C, C)
    merged = merge(counts, PET_WITH_BORDER)
    ignored = counts.copy()
    ignored[:, BORDER] = 0
    without_border = iou(ignored)[:, [PET, BACKGROUND]]
    # Means, not sums: sums of fractions are not exact, and the error is the same for both.
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


def image_scores(counts: Counts) -> dict[str, Scores]:
    """The mIoU (N,) of each of the N images, and its (N, C) IoU and Dice."""
    return {"miou": mean_iou(counts), "iou": iou(counts), "dice": dice(counts)}


def worst_mean(values: Scores, weights: Weights, share: float) -> Scores:
    """The mean of the lowest `share` of the (N,) values, as often as (R, N) weights say: (R,)."""
    order, means = np.argsort(values), []
    for times in weights:
        ordered = times[order]
        reached = ordered.cumsum(dtype=np.float64)
        taken = np.clip(share * reached[-1] - (reached - ordered), 0, ordered)  # the last in part
        means.append(taken @ values[order] / taken.sum())
    return np.array(means)


def _by_class(name: str, values: Scores) -> dict[str, Scores]:
    """(R, C) values as `name.pet` and so on."""
    return {f"{name}.{label}": values[:, place] for place, label in enumerate(CLASSES)}


def slice_table(table: pd.DataFrame, whole: tuple[float, float]) -> pd.DataFrame:
    """One row a group of images in a `per_image_table`: the worst first within each slice.

    Columns: slice, group, images, miou (of the summed counts), low and high (95 % interval),
    `below`: whether that interval lies below the whole list's, `whole`; `few`: whether there are
    too few images to say.
    """
    rows = []
    slices = {
        "breed": table["breed"],
        "species": table["species"],
        "pet size": _binned(table["pet_share"], PET_SIZES),
        "brightness": _binned(table["brightness"], BRIGHTNESSES),
        "frame": table["touches_frame"].map({True: "touched", False: "not touched"}),
    }
    for name, labels in slices.items():
        found = [
            {"slice": name, "group": group} | _slice_row(counts_of(part), whole)
            for group, part in table.groupby(labels, sort=False, observed=True)
        ]
        assert sum(int(row["images"]) for row in found) == len(table), f"{name}: an image is lost"
        rows += sorted(found, key=lambda row: (row["miou"], row["group"]))
    return pd.DataFrame(rows)


def _binned(values: pd.Series, ends: Mapping[float, str]) -> pd.Series:
    """The name of each value's bin, from 0 up; a bin's end belongs to the next one."""
    return pd.cut(values, [0, *ends], right=False, labels=list(ends.values()))


def _slice_row(counts: Counts, whole: tuple[float, float]) -> dict[str, object]:
    samples = bootstrap(lambda weights: mean_iou(resampled_counts(counts, weights)), len(counts))
    low, high = interval(samples)
    few = len(counts) < FEW
    return {
        "images": len(counts),
        "miou": round(float(mean_iou(counts.sum(axis=0))), 6),
        "low": round(float(low), 6),
        "high": round(float(high), 6),
        "below": bool(high < whole[0]) and not few,
        "few": few,
    }
