"""One thing that the doctor saw."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """`good`: as it should be. `note`: worth knowing. `bad`: something will not work.

    The remedy is a command, or words that name one; empty where there is nothing to do.
    """

    state: Literal["good", "note", "bad"]
    text: str
    remedy: str = ""
