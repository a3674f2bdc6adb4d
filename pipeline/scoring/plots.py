"""Plots that DVC's templates cannot draw, and those that a report or a run shows as pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, SupportsFloat

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.scoring.confusion import Counts

# Okabe and Ito's: colour-blind people tell them apart.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"
LINES = (
    *(ORANGE, BLUE, GREEN, RED, "#CC79A7", "#56B4E9", "#882255", "#999933", "#332288"),
    *("#661100", "#117733", "#DDCC77"),
)

FEW = 6  # classes, whose names fit beside each other
LONG = 12  # letters of a name that do not
WRITTEN = 14  # classes, whose shares fit into a confusion matrix
VAL_IOU = "val_iou_"  # the columns of a `curve_table`


def draw_confusion(counts: Counts, names: Sequence[str]) -> Figure:
    """Draw a (C, C) confusion matrix of pixels; each row, a true class, sums to 100 %."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    written = len(names) <= WRITTEN
    side = max(4.2, (0.62 if written else 0.21) * len(names) + 1.5)
    figure = Figure(figsize=(side + 0.4, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(names))
    axes.set(xticks=ticks, xticklabels=names, yticks=ticks, yticklabels=names)
    if len(names) > FEW or max(map(len, names)) > LONG:
        axes.tick_params(axis="x", labelrotation=90)
        axes.tick_params(labelsize=8)
    axes.set(xlabel="predicted", ylabel="true", title="Where the pixels of each class went")
    for row, column in np.ndindex(shares.shape) if written else ():
        share = shares[row, column]
        if share > 0 or len(names) <= FEW:
            ink, size = ("white" if share > 0.5 else "black"), 10 if len(names) <= FEW else 8
            text = f"{share:.1%}"
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=size)
    return figure


def draw_reliability(table: pd.DataFrame, error: SupportsFloat) -> Figure:
    """Draw a `reliability_table`: accuracy over confidence, and how many pixels are how sure."""
    figure = Figure(figsize=(4.6, 4.8), layout="constrained")
    axes, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="as right as sure")
    axes.plot(table["confidence"], table["accuracy"], color=BLUE, marker="o", label="the model")
    axes.set(ylabel="pixels that are right", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"Calibration: expected error {float(error):.3f}")
    axes.legend(loc="upper left", frameon=False)
    below.bar(table["confidence"], table["share"], width=0.03, color=BLUE)
    below.set(xlabel="confidence: probability of the chosen class", ylabel="share of pixels")
    return figure


def draw_slices(slices: pd.DataFrame, groups: Sequence[str], whole: tuple[float, float]) -> Figure:
    """Draw the mIoU of a `slice_table`'s images with its interval, the best on top.

    By the first of the data set's groups; by all other slices where it has none.
    """
    named = [name for name in groups if (slices["slice"] == name).any()]
    by = named[0] if named else "slice"
    table = slices[slices["slice"] == by] if named else slices
    table = table.sort_values(["miou", "group"])
    figure = Figure(figsize=(5.7, 1.5 + 0.21 * len(table)), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(*whole, color=GREY, alpha=0.25, linewidth=0, label="whole test list, 95 %")
    kinds = ((BLUE, f"{by}, 95 %", False), (RED, "below the whole list", True))
    for colour, label, flagged in kinds:
        part = table["below"] == flagged
        if part.any():
            rows, places = table[part], np.flatnonzero(part)
            ends = np.maximum((rows["miou"] - rows["low"], rows["high"] - rows["miou"]), 0)
            axes.errorbar(rows["miou"], places, xerr=ends, color=colour, label=label, fmt="o", ms=4)
    few = table["few"].map({True: ", few", False: ""})
    words = table["group"].astype(str).str.replace("_", " ")
    words = words if named else table["slice"] + ": " + words
    labels = words + " (" + table["images"].astype(str) + few + ")"
    axes.set_yticks(range(len(table)), labels)
    axes.tick_params(axis="y", labelsize=8)
    axes.set(xlabel="mIoU", ylim=(-1, len(table)), title=f"Test mIoU by {by}")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    return figure


def draw_curves(curves: pd.DataFrame) -> Figure:
    """Draw a `curve_table`: losses, and validation IoU by class, over the epochs."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    losses.plot(curves["epoch"], curves["train_loss"], color=GREY, label="training")
    losses.plot(curves["epoch"], curves["val_loss"], color=BLUE, label="validation")
    losses.set(xlabel="epoch", ylabel="loss")
    scores.plot(curves["epoch"], curves["val_miou"], color="black", lw=2, zorder=3, label="mIoU")
    ious = [name for name in curves.columns if name.startswith(VAL_IOU)]
    for place, name in enumerate(ious):
        if len(ious) <= len(LINES):
            color, alpha, label = LINES[place], 1.0, name.removeprefix(VAL_IOU)
        else:
            color, alpha, label = GREY, 0.4, "" if place else "each class"
        scores.plot(curves["epoch"], curves[name], color=color, alpha=alpha, label=label)
    scores.set(xlabel="epoch", ylabel="validation IoU", ylim=(0, 1))
    for axes in (losses, scores):
        axes.legend(frameon=False, fontsize=8 if len(ious) > FEW else 10)
        axes.grid(alpha=0.3)
    return figure


def save_figure(file: Path | IO[bytes], figure: Figure) -> None:
    """Write the figure as PNG, without the date and version that matplotlib would add."""
    figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
