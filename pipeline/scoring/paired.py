"""Two models on the same test images: how much better one is, and how sure that is."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.data.pairs import CLASSES
from pipeline.scoring.confusion import Counts, Scores, iou_of_present
from pipeline.scoring.intervals import Weights, bootstrap, interval, resampled_counts
from pipeline.scoring.tables import counts_of


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


def paired_counts(challenger: pd.DataFrame, champion: pd.DataFrame) -> tuple[Counts, Counts] | None:
    """The (N, C, C) matrices in two tables of `per_image_table`, images in the same order.

    None unless both tables are of the same images with the same masks.
    """
    tables = [table.sort_values("name") for table in (challenger, champion)]
    if tables[0]["name"].tolist() != tables[1]["name"].tolist():
        return None
    new, old = (counts_of(table) for table in tables)
    # A row's sum is how much of a class the mask has: no model changes that.
    same_masks = np.array_equal(new.sum(axis=-1), old.sum(axis=-1))
    return (new, old) if same_masks else None


def paired_bootstrap(
    challenger: Counts, champion: Counts, *, confidence: float, resamples: int, seed: int
) -> Comparison:
    """Compare by the (N, C, C) matrices of the same images in the same order."""
    present = champion.sum(axis=(0, 2)) > 0  # (C,)

    def scores(counts: Counts) -> Scores:
        """Mean IoU, then the IoU of each class that is present: (..., 1 + C) from (..., C, C)."""
        ious = iou_of_present(counts)[..., present]
        return np.concatenate([ious.mean(axis=-1, keepdims=True), ious], axis=-1)

    def gains(weights: Weights) -> Scores:  # of both on the same resamples: (r, 1 + C)
        new, old = (resampled_counts(counts, weights) for counts in (challenger, champion))
        return scores(new) - scores(old)

    low, high = interval(bootstrap(gains, len(champion), resamples, seed), confidence)
    old, new = (scores(counts.sum(axis=0)) for counts in (champion, challenger))
    rows = zip(*(ends.tolist() for ends in (old, new, low, high)), strict=True)
    miou, *classes = (Change(*row) for row in rows)
    names = [name for name, there in zip(CLASSES, present, strict=True) if there]
    return Comparison(len(champion), miou, dict(zip(names, classes, strict=True)))
