"""The scores of parts of the test list, which show where the model is weak."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pipeline.scoring.confusion import Counts, mean_iou
from pipeline.scoring.intervals import bootstrap, interval, resampled_counts
from pipeline.scoring.summary import counts_of

FEW = 10  # pictures: of fewer an interval says little, and nothing is flagged

# Bounds that do not depend on the pictures, so that two experiments' slices compare.
PET_SIZES = {"below 10 %": 0.0, "10 to 25 %": 0.1, "25 to 50 %": 0.25, "above 50 %": 0.5}
BRIGHTNESSES = {"dark": 0.0, "medium": 0.35, "bright": 0.6}


def slice_table(table: pd.DataFrame, whole: tuple[float, float]) -> pd.DataFrame:
    """One row a group of pictures, of a `per_image_table`: the worst first within each slice.

    Columns: slice, group, images, miou (of the summed counts), low and high (95 % interval),
    `below`: whether that interval lies below the whole list's, `whole`; `few`: whether there are
    too few pictures to say.
    """
    rows = []
    for name, labels in _slices(table):
        found = [
            {"slice": name, "group": group} | _row(counts_of(part), whole)
            for group, part in table.groupby(labels, sort=False, observed=True)
        ]
        rows += sorted(found, key=lambda row: (row["miou"], row["group"]))
    return pd.DataFrame(rows)


def _slices(table: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """What divides the list, with each picture's group."""
    yield "breed", table["breed"]
    yield "species", table["species"]
    yield "pet size", _binned(table["pet_share"], PET_SIZES)
    yield "brightness", _binned(table["brightness"], BRIGHTNESSES)
    yield "frame", table["touches_frame"].map({True: "touched", False: "not touched"})


def _binned(values: pd.Series, lowest: dict[str, float]) -> pd.Series:
    """The name of the bin, given by its lowest value, that each value is in."""
    places = np.searchsorted(list(lowest.values()), values, side="right") - 1
    return pd.Series([list(lowest)[place] for place in places], index=values.index)


def _row(counts: Counts, whole: tuple[float, float]) -> dict[str, object]:
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
