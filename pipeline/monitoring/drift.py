"""Whether a model sees what it was scored on: the newest windows of its log against its reference.

A window breaks a limit if a feature has moved, or if the estimated mIoU has fallen. A feature has
moved if the two-sample Kolmogorov-Smirnov test finds the difference significant, at a level divided
by the number of features (Bonferroni), so that unchanged pictures break a limit with at most that
probability; and if the difference is large, so that huge windows do not alarm for nothing.
Pictures like those that people added and that were held out from training are no drift either, nor
is a mixture of them and the test pictures: the reference is the mixture that is nearest.
Drift is `broken` of `windows` windows: of three independent ones of unchanged pictures at 0.01, two
break in 3 of 10,000 cases, and however dependent they are, in 1.5 of 100 at most.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self

import pandas as pd
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass

from pipeline.core.params import STRICT
from pipeline.monitoring.estimate import Estimate, estimate
from pipeline.monitoring.reference import Reference, mixed

FEW = 20  # values of a feature: fewer are not compared
ENOUGH = 50  # added pictures: beside fewer, a shift is hard to tell from chance
SHARES = (0, 0.25, 0.5, 0.75, 1)  # of added pictures, in a mixture

Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(gt=0, le=1000)]


@pydantic_dataclass(frozen=True, config=STRICT)
class MonitorParams:
    """params.yaml's `monitor`: which windows are compared, and how far off they may be."""

    window: Annotated[int, Field(ge=30, le=1_000_000)]  # pictures
    windows: Count  # the newest ones of each version
    broken: Count  # so many of them, and it is drift
    days: Annotated[float, Field(gt=0, le=10_000)]  # older rows are left out
    significance: Share  # of a window, all features together
    min_distance: Share  # between two distributions: of their cumulative shares, at the worst place
    max_miou_drop: Share  # from the reference's mIoU to the upper end of the estimate
    on_drift: str | None  # a command, which gets the verdict as JSON on its standard input

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.broken > self.windows:
            raise ValueError(f"broken is {self.broken}: accepted is 1 to windows ({self.windows})")
        return self


@dataclass(frozen=True)
class Shift:
    """A feature in a window and in the reference: medians, distance in [0, 1], corrected p."""

    feature: str
    now: float
    before: float
    distance: float  # of Kolmogorov and Smirnov: the largest between the cumulative shares
    p: float

    def __str__(self) -> str:
        return f"{self.feature}: median {self.now:.3g}, was {self.before:.3g}"


@dataclass(frozen=True)
class Window:
    """Consecutive pictures of a version."""

    start: datetime
    end: datetime
    moved: list[Shift]  # the farthest first
    estimate: Estimate | None  # None for a model that gives no confidence
    fallen: bool  # whether the estimated mIoU is below its limit

    @property
    def broken(self) -> bool:
        return bool(self.moved) or self.fallen


@dataclass(frozen=True)
class Verdict:
    """What the newest pictures of a version say. Fewer than a window say nothing."""

    drifted: bool
    broken: int  # of the windows
    windows: list[Window]  # the newest last
    shifts: list[Shift]  # of all these windows together, the farthest first
    estimate: Estimate | None  # likewise
    reference: Reference  # likewise: the mixture that they were compared with

    @property
    def outcome(self) -> str:
        """What people and machines read: "drift", "ok" or "too few pictures"."""
        return "drift" if self.drifted else "ok" if self.windows else "too few pictures"

    @property
    def moved(self) -> list[str]:
        """The features that moved in a window, those of most windows first."""
        moved = Counter(shift.feature for window in self.windows for shift in window.moved)
        return [name for name, _ in moved.most_common()]


def judge(rows: pd.DataFrame, reference: Reference, params: MonitorParams) -> Verdict:
    """Judge the newest windows of one version's log. rows: of that log, the oldest first."""
    number = min(len(rows) // params.window, params.windows)
    newest = rows.tail(number * params.window)
    starts = range(0, len(newest), params.window)
    windows = [look(newest[at : at + params.window], reference, params) for at in starts]
    broken = sum(window.broken for window in windows)
    together = newest if windows else rows
    mixture = nearest(together, reference)
    shifts, found = shifts_from(together, mixture, reference), estimate(together, mixture)
    return Verdict(broken >= params.broken, broken, windows, shifts, found, mixture)


def look(rows: pd.DataFrame, reference: Reference, params: MonitorParams) -> Window:
    """The verdict on one window."""
    mixture = nearest(rows, reference)
    moved = [
        shift
        for shift in shifts_from(rows, mixture, reference)
        if shift.p <= params.significance and shift.distance >= params.min_distance
    ]
    found = estimate(rows, mixture)
    fallen = bool(found and found.miou.high < found.miou.reference - params.max_miou_drop)
    return Window(rows["time"].iloc[0], rows["time"].iloc[-1], moved, found, fallen)


def nearest(rows: pd.DataFrame, reference: Reference) -> Reference:
    """The mixture of test pictures and added ones from which the features are least far.

    The test pictures alone if fewer than ENOUGH were added.
    """
    if reference.added is None or len(reference.added.pictures) < ENOUGH:
        return reference

    def distance(mixture: Reference) -> float:
        shifts = shifts_from(rows, mixture, reference)
        return max((shift.distance for shift in shifts), default=0)

    return min((mixed(reference, share) for share in SHARES), key=distance)


def shifts_from(rows: pd.DataFrame, mixture: Reference, test: Reference) -> list[Shift]:
    """Each feature's shift from the mixture, or from the test if the mixture has few values of it.

    So all mixtures are compared in the same features: none is nearest for what it lacks.
    """
    known = mixture.features
    few = [name for name in known if known[name].count() < FEW]
    return compare(rows, known.drop(columns=few).join(test.features[few], how="outer"))


def compare(rows: pd.DataFrame, pictures: pd.DataFrame) -> list[Shift]:
    """The shift of each feature that both have enough values of, the farthest first."""
    from scipy.stats import ks_2samp  # noqa: PLC0415 - half a second

    names = [name for name in map(str, pictures) if name in rows]
    pairs = {name: (rows[name].dropna(), pictures[name].dropna()) for name in names}
    pairs = {name: pair for name, pair in pairs.items() if min(map(len, pair)) >= FEW}
    shifts = []
    for name, (now, before) in pairs.items():
        found = ks_2samp(now.astype(float), before)
        p = min(1.0, float(found.pvalue) * len(pairs))
        shift = Shift(name, float(now.median()), float(before.median()), float(found.statistic), p)
        shifts.append(shift)
    return sorted(shifts, key=lambda shift: -shift.distance)
