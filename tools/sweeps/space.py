"""What a search tries: the section `search:` of a plan, and its space in Optuna's terms."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT, Seed

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

EPOCHS = "train.epochs"
NO_CHOICE = {  # params that a space cannot have
    EPOCHS: "all trials must be equally long",
    "train.threads": "all trials must take as many cores",
}
# What a run measures without a look at the test list.
OBJECTIVE = re.compile(r"val\..+|export\.(int8\.)?bytes")
OBJECTIVES = "val.miou and the other val.*, export.bytes and export.int8.bytes"
BY_DEFAULT: dict[str, Literal["maximize", "minimize"]] = {"val.miou": "maximize"}
DIGITS = 4  # of a value that is drawn: more would only be hard to read and to type


@dataclass(frozen=True, config=STRICT)
class Range:
    """Every number from `low` to `high`; with `log`, each order of magnitude is as likely."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"low ({self.low}) must be above 0 on a logarithmic scale")


Objectives = Annotated[
    dict[str, Literal["maximize", "minimize"]], Field(min_length=1, max_length=2)
]
Choices = Annotated[list[Any], Field(min_length=1)]


@dataclass(frozen=True, config=STRICT)
class Search:
    """The section `search:` of a plan."""

    space: Annotated[dict[str, Range | Choices], Field(min_length=1)]  # by dotted name of a param
    trials: Annotated[int, Field(gt=0)] | None = None  # in all
    minutes: Annotated[float, Field(gt=0)] | None = None  # after which nothing more is started
    sampler: Literal["tpe", "random"] = "tpe"
    seed: Seed = 0
    objectives: Objectives = Field(default_factory=lambda: dict(BY_DEFAULT))
    rungs: tuple[Annotated[int, Field(gt=0)], ...] | None = None  # epochs at which trials pause

    def __post_init__(self) -> None:
        if self.trials is None and self.minutes is None:
            raise ValueError("say how long: trials, minutes, or both")
        for name in self.objectives:
            if not OBJECTIVE.fullmatch(name):
                raise ValueError(f"objectives: {name} is not accepted, but {OBJECTIVES} are")
        rungs = list(self.rungs or ())
        if rungs != sorted(set(rungs)):
            raise ValueError(f"rungs: expected rising numbers of epochs, found {rungs}")
        if self.rungs and len(self.objectives) > 1:
            raise ValueError("rungs: trials can pause for one objective alone, not for two")
        if self.rungs and self.stage != "train":
            raise ValueError("rungs: trials can pause for what each epoch measures: val.*")
        for name in NO_CHOICE.keys() & self.space.keys():
            raise ValueError(f"space: {name} is not accepted, {NO_CHOICE[name]}")

    @property
    def stage(self) -> str:
        """The stage after which all objectives are known."""
        return "train" if all(name.startswith("val.") for name in self.objectives) else "export"

    def checked_rungs(self, params: Mapping[str, Any]) -> Sequence[int]:
        """The rungs, if any. Raises ValueError if a training with these params is too short."""
        rungs, epochs = self.rungs or (), params[EPOCHS]
        if not isinstance(epochs, int):
            raise ValueError(f"{EPOCHS}: expected a whole number, found {epochs}")
        if rungs and rungs[-1] >= epochs:
            raise ValueError(f"rungs: {rungs[-1]} is not below {EPOCHS}, {epochs}")
        return rungs

    def distributions(self, params: Mapping[str, Any]) -> "dict[str, BaseDistribution]":
        """The space for Optuna. A range has whole numbers if both its ends are whole, unless the
        param is a float in `params`.
        """
        from optuna import distributions as kinds

        def kind(name: str, values: Range | list[Any]) -> "BaseDistribution":
            if not isinstance(values, Range):
                return kinds.CategoricalDistribution(values)
            low, high = values.low, values.high
            if low.is_integer() and high.is_integer() and type(params[name]) is not float:
                return kinds.IntDistribution(int(low), int(high), values.log)
            return kinds.FloatDistribution(low, high, values.log)

        return {name: kind(name, values) for name, values in self.space.items()}


def rounded(params: Mapping[str, Any], space: Mapping[str, Range | list[Any]]) -> dict[str, Any]:
    """The values that were drawn, with DIGITS digits, inside their ranges."""
    found = dict(params)
    for name, value in params.items():
        if isinstance(value, float) and isinstance(limits := space[name], Range):
            found[name] = min(max(float(f"{value:.{DIGITS}g}"), limits.low), limits.high)
    return found
