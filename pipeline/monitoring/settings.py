"""When what a model sees is no longer what it was scored on: the params.yaml section `monitor`."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT

Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(gt=0, le=1000)]


@dataclass(frozen=True, config=STRICT)
class MonitorParams:
    """What windows of the prediction log are compared, and how far they may be from the test."""

    window: Annotated[int, Field(ge=30, le=1_000_000)]  # pictures
    windows: Count  # the newest ones of each version
    broken: Count  # so many of them, and it is drift
    days: Annotated[float, Field(gt=0, le=10_000)]  # older rows are left out
    significance: Share  # of a window, all features together
    min_distance: Share  # between two distributions: of their cumulative shares, at the worst place
    max_miou_drop: Share  # from the test's mIoU to the upper end of the estimate
    on_drift: str | None  # a command, which gets the verdict as JSON on its standard input

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.broken > self.windows:
            raise ValueError(f"broken is {self.broken}: accepted is 1 to windows ({self.windows})")
        return self
