"""Two models on the same test pictures: how much better the one is, and how sure that is."""

from functools import partial
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT, Seed
from pipeline.data.pets import CLASSES
from pipeline.scoring.confusion import Counts, Scores, iou, mean_iou
from pipeline.scoring.intervals import bootstrap, interval, paired_difference
from pipeline.scoring.tables import counts_of

DECIMALS = 6  # that count: what is lost to float64 must not turn "as much" into "more"

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=STRICT)
class GateParams:
    """What a challenger must show to become champion; gain and drops are differences of IoU."""

    confidence: Annotated[float, Field(gt=0, lt=1)]  # of the interval, both ends
    resamples: Annotated[int, Field(ge=100, le=1_000_000)]  # of the test pictures, for the interval
    seed: Seed  # of the resamples
    min_gain: Share  # of the mIoU: the interval must lie above it
    max_class_drop: dict[str, Share]  # by class

    def __post_init__(self) -> None:
        if set(self.max_class_drop) != set(CLASSES):
            raise ValueError(f"max_class_drop has a number for each of {', '.join(CLASSES)}")


@dataclass(frozen=True)
class Change:
    """A score of both models, and the interval of the difference. NaN: the class is nowhere."""

    champion: float
    challenger: float
    low: float
    high: float

    @property
    def gain(self) -> float:
        """By how much the challenger's score is higher."""
        return self.challenger - self.champion


@dataclass(frozen=True)
class Comparison:
    """What changes from champion to challenger on the same pictures."""

    images: int
    miou: Change
    iou: dict[str, Change]  # by class

    def objections(self, params: GateParams) -> list[str]:
        """Why the challenger must not become champion; none: it is better.

        The gain must be sure: the whole interval lies above `min_gain`. A class's drop counts as
        it was measured: no interval can show that a class lost nothing at all, and on a short
        list, where intervals are wide, to ask for it would refuse nearly every better model.
        """
        found = []
        if not round(self.miou.low, DECIMALS) > params.min_gain:
            found.append(f"the interval is not above gate.min_gain, {params.min_gain:g}")
        for name, change in self.iou.items():
            drop, allowed = round(-change.gain, DECIMALS), params.max_class_drop[name]
            if drop > allowed:
                found.append(
                    f"IoU of {name} drops by {drop:g}, "
                    f"and gate.max_class_drop.{name} allows {allowed:g}"
                )
        return found


def same_pictures(challenger: pd.DataFrame, champion: pd.DataFrame) -> tuple[Counts, Counts] | None:
    """The (N, C, C) matrices in two tables of `per_image_table`, in one order of the pictures.

    None unless both tables are of the same pictures with the same masks.
    """
    tables = [table.sort_values("name") for table in (challenger, champion)]
    if tables[0]["name"].tolist() != tables[1]["name"].tolist():
        return None
    new, old = (counts_of(table) for table in tables)
    # A row's sum is how much of a class the mask has: no model changes that.
    same_masks = np.array_equal(new.sum(axis=-1), old.sum(axis=-1))
    return (new, old) if same_masks else None


def compare(challenger: Counts, champion: Counts, params: GateParams) -> Comparison:
    """Compare by the (N, C, C) matrices of the same pictures in the same order."""
    difference = partial(paired_difference, challenger, champion, _scores)
    samples = bootstrap(difference, len(champion), params.resamples, params.seed)
    low, high = interval(samples, params.confidence)
    old, new = (_scores(counts.sum(axis=0)) for counts in (champion, challenger))
    rows = zip(*(ends.tolist() for ends in (old, new, low, high)), strict=True)
    miou, *classes = (Change(*row) for row in rows)
    return Comparison(len(champion), miou, dict(zip(CLASSES, classes, strict=True)))


def _scores(counts: Counts) -> Scores:
    """mIoU, then the IoU of each class: (..., 1 + C) from (..., C, C)."""
    return np.concatenate([mean_iou(counts)[..., None], iou(counts)], axis=-1)
