"""Plots of the monitor's page."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.monitoring.drift import Shift
from pipeline.scoring.plots import BLUE, GREY, RED

BARS = 24
MOST = 9  # features that are drawn: the farthest


def draw_features(
    rows: pd.DataFrame, pictures: pd.DataFrame, shifts: Sequence[Shift], moved: Sequence[str]
) -> Figure:
    """Draw how the features are spread now, over how they were at the evaluation.

    rows, pictures: of the log and of the reference. moved: the features to mark.
    """
    drawn = shifts[:MOST]
    across = min(3, len(drawn))
    down = -(-len(drawn) // across)
    figure = Figure(figsize=(3.4 * across, 2.3 * down + 0.4), layout="constrained")
    every = figure.subplots(down, across, squeeze=False).ravel()
    for axes, shift in zip(every, drawn, strict=False):
        now, before = rows[shift.feature].dropna().astype(float), pictures[shift.feature].dropna()
        edges = np.histogram_bin_edges([*now, *before], BARS)
        now_colour = RED if shift.feature in moved else BLUE
        filled = {"histtype": "stepfilled", "color": GREY, "alpha": 0.35}
        if len(before):  # a mixture may have none
            axes.hist(before, edges, density=True, **filled)
        axes.hist(now, edges, density=True, histtype="step", color=now_colour)
        axes.set_title(shift.feature, fontsize=10)
        axes.tick_params(labelsize=8)
        axes.set_yticks([])
    for axes in every[len(drawn) :]:
        axes.remove()
    return figure
