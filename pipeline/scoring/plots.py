"""Plots that DVC's templates cannot draw."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipeline.data.pets import CLASSES
from pipeline.files import atomic_file
from pipeline.scoring.confusion import Counts


def save_confusion(file: Path, counts: Counts) -> None:
    """Draw a (C, C) confusion matrix of pixels; each row, a true class, sums to 100 %."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(CLASSES))
    axes.set(xticks=ticks, xticklabels=CLASSES, yticks=ticks, yticklabels=CLASSES)
    axes.set(xlabel="predicted", ylabel="true", title="Where the pixels of each class went")
    for row, column in np.ndindex(shares.shape):
        share = shares[row, column]
        ink = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{share:.1%}", ha="center", va="center", color=ink)
    save_figure(file, figure)


def save_figure(file: Path, figure: Figure) -> None:
    """Write the figure as PNG, without the date and version that matplotlib would add."""
    with atomic_file(file) as temporary:
        figure.savefig(temporary, format="png", dpi=120, metadata={"Software": None})
