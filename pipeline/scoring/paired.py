"""Two models on the same test images: how much better one is, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.scoring.confusion import Margins, Scores, iou_of_present, mean_iou
from pipeline.scoring.intervals import Weights, bootstrap, interval, resampled_counts
from pipeline.scoring.tables import margins_of


@dataclass(frozen=True)
class Change:
    """A score of both models, and the interval of the difference."""

    champion: float
    challenger: float
    low: float
    high: float

    @property
    def gain(self) -> float:
        return self.challenger - self.champion


@dataclass(frozen=True)
class Comparison:
    """How the scores change from champion to challenger on the same images.

    Only the classes that the true masks hold are compared, and `miou` is their mean.
    """

    images: int
    miou: Change
    iou: dict[str, Change]  # by class


@dataclass(frozen=True, eq=False)
class Pair:
    """What two models did on the same N images, in the same order."""

    challenger: Margins  # (N, C, 3)
    champion: Margins
    classes: Sequence[str]


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


def paired_bootstrap(pair: Pair, *, confidence: float, resamples: int, seed: int) -> Comparison:
    """Compare the two models of a pair."""
    present = pair.champion[..., 0].sum(axis=0) > 0  # (C,)

    def scores(counted: Margins) -> Scores:
        """Mean IoU, then the IoU of each class that is present: (..., 1 + C) from (..., C, 3).

        A resample may lack a rare class: its mean is that of the others, as it is for a whole list.
        """
        ious = iou_of_present(counted)[..., present]
        return np.concatenate([mean_iou(counted)[..., None], ious], axis=-1)

    def gains(weights: Weights) -> Scores:  # of both on the same resamples: (r, 1 + C)
        new, old = (
            resampled_counts(counts, weights) for counts in (pair.challenger, pair.champion)
        )
        return scores(new) - scores(old)

    low, high = interval(bootstrap(gains, len(pair.champion), resamples, seed), confidence)
    old, new = (scores(counts.sum(axis=0)) for counts in (pair.champion, pair.challenger))
    rows = zip(*(ends.tolist() for ends in (old, new, low, high)), strict=True)
    miou, *classes = (Change(*row) for row in rows)
    names = [name for name, there in zip(pair.classes, present, strict=True) if there]
    return Comparison(len(pair.champion), miou, dict(zip(names, classes, strict=True)))
