"""The lists that the split stage writes."""

from pathlib import Path

import pandas as pd

from pipeline.terminal import UserError


def read_split(file: Path) -> pd.DataFrame:
    """The table of a split list: name, breed, species. Raises UserError if missing or empty."""
    if not file.exists():
        raise UserError(f"{file} is missing: run the split stage first (dvc repro split)")
    table = pd.read_csv(file)
    if table.empty:
        raise UserError(f"{file} lists no pictures: check the data set and split.val_fraction")
    return table
