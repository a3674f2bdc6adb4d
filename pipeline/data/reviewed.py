"""What people decided about pairs: the folder that extract writes beside the published ones.

`decisions.csv` has a row for each decision that holds, `masks/` the masks that decisions changed.
Pairs that people added have an image in `images/`, a mask in `masks/` and a row in `index.csv`.
"""

from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pipeline.core.files import read_rows

DECISIONS = "decisions.csv"
COLUMNS = ("name", "decision", "reason")


class Verdict(StrEnum):
    """What a decision says of a pair."""

    RIGHT = "right"  # the mask is right as it is
    LEAVE_OUT = "leave out"  # neither trained on nor scored
    MODEL = "model"  # the model's mask is right
    FILE = "file"  # a mask that a person drew is right
    SWAP = "swap"  # two classes are swapped; their names follow: swap:cat,dog


class Decision(NamedTuple):
    """A row of decisions.csv, without its name."""

    text: str  # "right", "swap:cat,dog"
    reason: str

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.text)


def verdict_of(text: str) -> Verdict:
    """The verdict of a decision's text. Raises ValueError if it has none."""
    return Verdict(text.partition(":")[0])


def read_decisions(reviewed: Path) -> dict[str, Decision]:
    """The decisions by the name of their pair; none if nobody has decided anything."""
    file = reviewed / DECISIONS
    if not file.is_file():
        return {}
    return {row["name"]: Decision(row["decision"], row["reason"]) for row in read_rows(file)}
