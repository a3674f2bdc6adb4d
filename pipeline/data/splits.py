"""The lists that the split stage writes, as tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from pipeline.core.terminal import UserError

ADDED = "added.csv"  # the list of added pairs that were held out, if there are any

Item = TypeVar("Item")


def read_split(file: Path) -> pd.DataFrame:
    """The table of a split list: name, and its groups, such as breed, all of them texts.

    Raises UserError if it is missing or empty.
    """
    if not file.exists():
        raise UserError(f"{file} is missing: run the split stage first (dvc repro split)")
    table = pd.read_csv(file, dtype=str, keep_default_na=False)  # groups may be NA or 007
    if table.empty:
        raise UserError(
            f"{file} lists no pictures: check the data set and the section split in params.yaml"
        )
    return table


def read_added(splits: Path) -> pd.DataFrame | None:
    """The list of added pairs that were held out; their files are in `splits`. None without any."""
    return read_split(splits / ADDED) if (splits / ADDED).is_file() else None


def evenly_spaced(items: Sequence[Item], count: int) -> list[Item]:
    """`count` of the items (all if there are fewer), evenly spaced: in a list, over all breeds."""
    places = np.linspace(0, len(items) - 1, min(count, len(items)))
    return [items[place] for place in places.astype(int)]
