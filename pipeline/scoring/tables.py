"""The tables of an evaluation: every score with its interval, each image, each slice of the list.

A reading of the data set (`border_merged`) scores the same predictions with some classes merged or
left out; its name comes first in the names of its scores.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.classes import Classes
from pipeline.scoring.bootstrap import (
    Pair,
    Weights,
    bootstrap,
    bootstrap_weights,
    interval,
    resampled_counts,
    resampled_means,
)
from pipeline.scoring.confusion import (
    Margins,
    Scores,
    dice,
    divide,
    iou,
    mean_iou,
    pixel_accuracy,
    rounded,
)
from pipeline.scoring.measure import Measured, calibration_error

MARGINS = ("true", "predicted", "right")  # `pet_right` counts the pet pixels that were called pet
WORST = 0.1  # share of the images, for worst_tenth_miou
FEW = 10  # images: an interval of fewer says little, and nothing is flagged
MOST_GROUPS = 100  # labels of a group: more are no slices

# Bounds that do not depend on the images: the slices of two experiments compare.
SIZES = {0.1: "below 10 %", 0.25: "10 to 25 %", 0.5: "25 to 50 %", np.inf: "above 50 %"}
BRIGHTNESSES = {0.35: "dark", 0.6: "medium", np.inf: "bright"}


def headline_words(classes: Classes) -> dict[str, str]:
    """The scores that metrics/evaluate.json shows, and their names for people."""
    readings = {}
    for name, reading in classes.readings.items():
        words = name.replace("_", " ")
        readings[f"{name}.miou"] = f"mIoU, {words}"
        for scored, ids in classes.read_as(reading).items():
            if set(ids) & set(classes.foreground):
                readings[f"{name}.iou.{scored}"] = f"IoU of {scored}, {words}"
    outlined = classes.named(classes.outlined)
    return {
        "miou": "mIoU, mean of the classes",
        **{f"iou.{name}": f"IoU of {name}" for name in classes.names},
        **readings,
        **{f"boundary_iou.{name}": f"Boundary IoU of {name}" for name in outlined},
        "pixel_accuracy": "pixels that are right",
        "per_image.miou": "mIoU, mean over pictures",
        "per_image.worst_tenth_miou": "mIoU, mean over the worst tenth",
        "calibration_error": "calibration error",
    }


def per_image_table(images: pd.DataFrame, measured: Measured, classes: Classes) -> pd.DataFrame:
    """The list of N images with their MARGINS by class, scores and properties added."""
    counted, names = measured.margins, classes.names
    flat = pd.DataFrame(counted.reshape(len(images), -1), columns=margin_columns(names))
    subject = counted[:, classes.with_role("foreground", "rim"), 0].sum(axis=-1)
    outlined = classes.named(classes.outlined)
    scores = {
        "miou": mean_iou(counted),
        **_by_class("iou", iou(counted), names, "_"),
        **_by_class("dice", dice(counted), names, "_"),
        **_by_class(
            "boundary_iou", boundary_iou(measured.boundary, counted, classes), outlined, "_"
        ),
        "calibration_error": calibration_error(measured.bins),
        "foreground_share": divide(subject, counted[..., 0].sum(axis=-1)),
        "brightness": measured.brightness,
    }
    table = pd.concat([images.reset_index(drop=True), flat, pd.DataFrame(scores).round(6)], axis=1)
    return table.assign(touches_frame=measured.touches_frame)


def margin_columns(names: Iterable[str]) -> list[str]:
    return [f"{name}_{kind}" for name in names for kind in MARGINS]


def margins_of(table: pd.DataFrame) -> tuple[Margins, list[str]]:
    """The (N, C, 3) margins in a `per_image_table`, and the classes' names; (N, 0, 3) without."""
    columns = set(table.columns)
    ends = [name.removesuffix("_right") for name in table.columns if name.endswith("_right")]
    names = [name for name in ends if columns.issuperset(margin_columns([name]))]
    flat = table[margin_columns(names)].to_numpy(np.int64)
    return flat.reshape(len(table), len(names), len(MARGINS)), names


def paired_tables(challenger: pd.DataFrame, champion: pd.DataFrame) -> Pair | None:
    """The pair in two tables of `per_image_table`.

    None unless both tables are of the same images with the same masks and classes.
    """
    tables = [table.sort_values("name") for table in (challenger, champion)]
    if tables[0]["name"].tolist() != tables[1]["name"].tolist():
        return None
    (new, names), (old, others) = (margins_of(table) for table in tables)
    # How much of a class a mask has, no model changes.
    same = names == others and np.array_equal(new[..., 0], old[..., 0])
    return Pair(new, old, names) if same else None


def score_table(measured: Measured, classes: Classes) -> pd.DataFrame:
    """Every score of the data set (score, value) with its 95 % interval (low, high)."""
    images = len(measured.margins)
    own = image_scores(measured.margins)
    values = scores(measured, classes, own, np.ones((1, images), np.uint8))
    pieces = [scores(measured, classes, own, weights) for weights in bootstrap_weights(images)]
    rows = []
    for name, value in values.items():
        low, high = interval(np.concatenate([piece[name] for piece in pieces]))
        rows.append({"score": name, "value": value[0], "low": low, "high": high})
    return pd.DataFrame(rows).round(6)


def headline(table: pd.DataFrame, images: int, classes: Classes) -> dict[str, Any]:
    """The `headline_words` of a `score_table`, nested at their dots; the mIoU with its interval."""
    known = table.set_index("score").to_dict("index")
    nested: dict[str, Any] = {"images": images}
    for name in headline_words(classes):
        *outer, last = name.split(".")
        inner = nested
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = rounded(known[name]["value"])
        if name == "miou":
            nested |= {f"miou_{end}": rounded(known[name][end]) for end in ("low", "high")}
    return nested


def scores(
    measured: Measured, classes: Classes, own: Mapping[str, Scores], weights: Weights
) -> dict[str, Scores]:
    """The scores of N images, each counted as often as its weight says, by name: (R,) each.

    own: each image's, from `image_scores`. weights: (R, N), one row for each result; ones for the
    plain score. Scores are of the summed counts, in which every pixel weighs the same; those under
    `per_image` are means over the images that have the class, each of which weighs the same.
    """
    names = classes.names
    counted = resampled_counts(measured.margins, weights)  # (R, C, 3)
    boundary = resampled_counts(measured.boundary, weights)
    outlined = classes.named(classes.outlined)
    # Means, not sums: sums of fractions are not exact, and the error is the same for both.
    bins = resampled_means(measured.bins, weights)
    return {
        "miou": mean_iou(counted),
        **_by_class("iou", iou(counted), names),
        **_by_class("dice", dice(counted), names),
        "pixel_accuracy": pixel_accuracy(counted),
        **_reading_scores(resampled_counts(measured.readings, weights), classes),
        **_by_class("boundary_iou", boundary_iou(boundary, counted, classes), outlined),
        "calibration_error": calibration_error(bins),
        "per_image.miou": resampled_means(own["miou"], weights),
        "per_image.worst_tenth_miou": worst_mean(own["miou"], weights, WORST),
        **_by_class("per_image.iou", resampled_means(own["iou"], weights), names),
        **_by_class("per_image.dice", resampled_means(own["dice"], weights), names),
    }


def _reading_scores(counted: Margins, classes: Classes) -> dict[str, Scores]:
    """The scores of each reading, from the (R, K, 3) margins of all their classes."""
    found, start = {}, 0
    for name, reading in classes.readings.items():
        scored = classes.read_as(reading)
        own = counted[:, start : start + len(scored)]
        start += len(scored)
        found[f"{name}.miou"] = mean_iou(own)
        found |= _by_class(f"{name}.iou", iou(own), scored)
    return found


def boundary_iou(boundary: NDArray[np.int64], counted: Margins, classes: Classes) -> Scores:
    """(..., K) of the K outlined classes, of their counts (..., K, 2); NaN as for `iou`."""
    true = counted[..., classes.outlined, 0]
    return np.where(true > 0, divide(*np.moveaxis(boundary, -1, 0)), np.nan)


def image_scores(counted: Margins) -> dict[str, Scores]:
    """The mIoU (N,) of each of the N images, and its (N, C) IoU and Dice."""
    return {"miou": mean_iou(counted), "iou": iou(counted), "dice": dice(counted)}


def worst_mean(values: Scores, weights: Weights, share: float) -> Scores:
    """The mean of the lowest `share` of the (N,) values, as often as (R, N) weights say: (R,).

    Values that are NaN are left out.
    """
    known = ~np.isnan(values)
    order, means = np.argsort(values[known]), []
    ordered = values[known][order]
    for times in weights[:, known][:, order]:
        reached = times.cumsum(dtype=np.float64)
        taken = np.clip(share * times.sum() - (reached - times), 0, times)  # the last in part
        means.append(divide(taken @ ordered, taken.sum()))
    return np.array(means)


def _by_class(
    name: str, values: Scores, classes: Iterable[str], joint: str = "."
) -> dict[str, Scores]:
    """(R, C) values as `name.pet` and so on."""
    return {f"{name}{joint}{label}": values[:, place] for place, label in enumerate(classes)}


def slice_table(table: pd.DataFrame, classes: Classes, whole: tuple[float, float]) -> pd.DataFrame:
    """One row a group of images in a `per_image_table`: the worst first within each slice.

    Columns: slice, group, images, miou (of the summed counts), low and high (95 % interval),
    `below`: whether that interval lies below the whole list's, `whole`; `few`: whether there are
    too few images to say.
    """
    rows = []
    slices = {name: table[name] for name in classes.groups if table[name].nunique() <= MOST_GROUPS}
    if classes.foreground:
        share = table["foreground_share"].fillna(0)  # where all pixels are ignored
        slices[f"{classes.subject} size"] = _binned(share, SIZES)
        slices["frame"] = table["touches_frame"].map({True: "touched", False: "not touched"})
    slices["brightness"] = _binned(table["brightness"], BRIGHTNESSES)
    for name, labels in slices.items():
        found = [
            {"slice": name, "group": group} | _slice_row(margins_of(part)[0], whole)
            for group, part in table.groupby(labels, sort=False, observed=True)
        ]
        assert sum(int(row["images"]) for row in found) == len(table), f"{name}: an image is lost"
        rows += sorted(found, key=lambda row: (row["miou"], row["group"]))
    return pd.DataFrame(rows)


def _binned(values: pd.Series, ends: Mapping[float, str]) -> pd.Series:
    """The name of each value's bin, from 0 up; a bin's end belongs to the next one."""
    return pd.cut(values, [0, *ends], right=False, labels=list(ends.values()))


def _slice_row(counts: Margins, whole: tuple[float, float]) -> dict[str, object]:
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
