"""The lists that the split stage writes, as tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from pipeline.core.files import read_csv
from pipeline.core.terminal import UserError

Item = TypeVar("Item")


def read_split(file: Path) -> pd.DataFrame:
    """The table of a split list: name, breed, species. Raises UserError if missing or empty."""
    if not file.exists():
        raise UserError(f"{file} is missing: run the split stage first (dvc repro split)")
    table = read_csv(file)
    if table.empty:
        raise UserError(f"{file} lists no pictures: check the data set and split.val_fraction")
    return table


def evenly_spaced(items: Sequence[Item], count: int) -> list[Item]:
    """`count` of the items (all if there are fewer), evenly spaced: in a list, over all breeds."""
    places = np.linspace(0, len(items) - 1, min(count, len(items)))
    return [items[place] for place in places.astype(int)]
