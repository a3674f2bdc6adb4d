"""Plots that DVC's templates cannot draw, and those that a report or a run shows as pictures."""

from pathlib import Path
from typing import IO, SupportsFloat

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.data.pairs import CLASSES
from pipeline.scoring.confusion import Counts

# Okabe and Ito's: colour-blind people tell them apart.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"


def draw_confusion(counts: Counts) -> Figure:
    """Draw a (C, C) confusion matrix of pixels; each row, a true class, sums to 100 %."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _canvas(4.6, 4.2)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(CLASSES))
    axes.set(xticks=ticks, xticklabels=CLASSES, yticks=ticks, yticklabels=CLASSES)
    axes.set(xlabel="predicted", ylabel="true", title="Where the pixels of each class went")
    for row, column in np.ndindex(shares.shape):
        share = shares[row, column]
        ink = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{share:.1%}", ha="center", va="center", color=ink)
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


def draw_breeds(slices: pd.DataFrame, whole: tuple[float, float]) -> Figure:
    """Draw the mIoU of each breed of a `slice_table` with its interval, the best on top."""
    table = slices[slices["slice"] == "breed"].sort_values(["miou", "group"])
    figure, axes = _canvas(5.7, 1.2 + 0.21 * len(table))
    axes.axvspan(*whole, color=GREY, alpha=0.25, linewidth=0, label="whole test list, 95 %")
    kinds = ((BLUE, "breed, 95 %", False), (RED, "below the whole list", True))
    for colour, label, flagged in kinds:
        part = table["below"] == flagged
        if part.any():
            rows, places = table[part], np.flatnonzero(part)
            ends = np.maximum((rows["miou"] - rows["low"], rows["high"] - rows["miou"]), 0)
            axes.errorbar(rows["miou"], places, xerr=ends, color=colour, label=label, fmt="o", ms=4)
    few = table["few"].map({True: ", few", False: ""})
    groups = table["group"].str.replace("_", " ")
    labels = groups + " (" + table["images"].astype(str) + few + ")"
    axes.set_yticks(range(len(table)), labels)
    axes.tick_params(axis="y", labelsize=8)
    axes.set(xlabel="mIoU", ylim=(-1, len(table)), title="Test mIoU by breed")
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    return figure


def draw_curves(curves: pd.DataFrame) -> Figure:
    """Draw a `curve_table`: losses, and validation IoU by class, over the epochs."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    losses.plot(curves["epoch"], curves["train_loss"], color=GREY, label="training")
    losses.plot(curves["epoch"], curves["val_loss"], color=BLUE, label="validation")
    losses.set(xlabel="epoch", ylabel="loss")
    scores.plot(curves["epoch"], curves["val_miou"], color="black", linewidth=2, label="mIoU")
    for name, colour in zip(CLASSES, (ORANGE, BLUE, GREEN), strict=True):
        scores.plot(curves["epoch"], curves[f"val_iou_{name}"], color=colour, label=name)
    scores.set(xlabel="epoch", ylabel="validation IoU", ylim=(0, 1))
    for axes in (losses, scores):
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    return figure


def save_figure(file: Path | IO[bytes], figure: Figure) -> None:
    """Write the figure as PNG, without the date and version that matplotlib would add."""
    figure.savefig(file, format="png", dpi=120, metadata={"Software": None})


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
