"""Split the pictures: the official test list as it is, the rest by breed into train and val."""

import argparse
import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.files import atomic_folder, write_csv, write_json
from pipeline.core.params import STRICT, Seed, read_section
from pipeline.core.terminal import UserError, console, run_command
from pipeline.ingest.duplicates import nearest_within

AGAIN = "run extract again"
ROWS = 2_000  # of the index that are text at a time, which takes ten times the memory
REPEATED = ["breed", "species", "split"]  # columns of few different words
COLUMNS = ["name", "breed", "species"]  # of train.csv, val.csv and test.csv
NEEDED = {*COLUMNS, "split", "phash"}  # columns of index.csv
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, config=STRICT)
class SplitParams:
    """The params.yaml section `split`."""

    val_fraction: Annotated[float, Field(gt=0, lt=1)]  # of trainval
    train_fraction: Annotated[float, Field(gt=0, le=1)]  # of what val leaves
    duplicate_distance: Annotated[int, Field(ge=0, le=16)]  # differing bits of 64


def main() -> None:
    """Read the index, take out what resembles a test picture, divide the rest, write the lists."""
    arguments = parse_arguments()
    params = read_section("split", SplitParams)
    seed: int = read_section("seed", Seed)
    index = read_index(arguments.index)
    duplicates = find_duplicates(index, params.duplicate_distance)
    in_test = index["split"] == "test"
    left_out = index.index.isin(duplicates.index)
    train, val = divide(index[~in_test & ~left_out], params.val_fraction, seed)
    if params.train_fraction < 1:
        _, train = divide(index.loc[train], params.train_fraction, seed)
    splits = dict(zip(SPLITS, (train, val, index.index[in_test]), strict=True))
    check_splits(splits, arguments.index)
    write_splits(arguments.splits, index, splits, duplicates)
    write_json(arguments.metrics, summary(index, splits, duplicates))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.split", description=__doc__)
    parser.add_argument("index", type=Path, help="index.csv of the pictures, from extract")
    parser.add_argument("splits", type=Path, help="folder to write: train, val and test.csv")
    parser.add_argument("metrics", type=Path, help="JSON file to write: counts")
    return parser.parse_args()


def read_index(path: Path) -> pd.DataFrame:
    """What split needs of the index, phash as uint64.

    Raises UserError if the file cannot be the index.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing: run the stage extract first")
    with pd.read_csv(
        path, usecols=NEEDED.__contains__, dtype=str, keep_default_na=False, chunksize=ROWS
    ) as parts:
        checked = [_checked(part, path) for part in parts]
    words = {
        name: union_categoricals([part.pop(name) for part in checked], sort_categories=True)
        for name in REPEATED
    }
    index = pd.concat(checked, ignore_index=True).assign(**words)
    before = index["name"].shift()
    if (twice := index["name"] == before).any():
        raise UserError(f"{path}: {index['name'][twice].iloc[0]} stands there twice; {AGAIN}")
    if (index["name"] < before).any():
        raise UserError(f"{path} is not sorted by name; {AGAIN}")
    return index


def _checked(part: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Some rows of the index, if they are as they should be."""
    if missing := NEEDED - set(part.columns):
        raise UserError(f"{path}: no column {', '.join(sorted(missing))}; {AGAIN}")
    if not part["phash"].str.fullmatch("[0-9a-f]{16}").all():
        raise UserError(f"{path}: column phash must hold 16 hex digits; {AGAIN}")
    if not part["split"].isin(["trainval", "test"]).all():
        raise UserError(f"{path}: column split must be trainval or test; {AGAIN}")
    hashes = np.array([int(bits, 16) for bits in part["phash"]], dtype=np.uint64)
    return part.assign(phash=hashes).astype(dict.fromkeys(REPEATED, "category"))


def find_duplicates(index: pd.DataFrame, distance: int) -> pd.DataFrame:
    """The trainval pictures whose hash is within `distance` bits of a test picture's.

    A row each, labelled as in the index: name, test_name (the nearest; of equally near ones the
    first), distance.
    """
    in_test = index["split"] == "test"
    trainval, test = np.flatnonzero(~in_test), np.flatnonzero(in_test)
    hashes, names = index["phash"].to_numpy(), index["name"]
    nearest, bits = nearest_within(hashes[trainval], hashes[test], distance)
    near = nearest >= 0
    return pd.DataFrame(
        {
            "name": names.iloc[trainval[near]].array,
            "test_name": names.iloc[test[nearest[near]]].array,
            "distance": bits[near],
        },
        index=index.index[trainval[near]],
    )


def divide(pictures: pd.DataFrame, val_fraction: float, seed: int) -> tuple[pd.Index, pd.Index]:
    """The rows of (train, val), by their labels, each breed in proportion.

    Within a breed, val (the second) takes the first names by sha256 of "SEED:NAME": the order is
    the same on every machine, and an added picture moves few of the others.
    """
    quotas = val_quotas(pictures.groupby("breed", observed=True).size(), val_fraction)
    in_val = pd.Series(False, index=pictures.index)
    for breed, names in pictures.groupby("breed", observed=True)["name"]:
        digests = names.map(lambda name: _digest(f"{seed}:{name}"))
        in_val[digests.sort_values().index[: quotas[breed]]] = True
    return pictures.index[~in_val], pictures.index[in_val]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def val_quotas(counts: pd.Series, val_fraction: float) -> pd.Series:
    """How many pictures of each breed go to val, given how many there are, by largest remainder.

    Each breed gets its exact share rounded down; what is missing to the rounded share of the whole
    goes, one each, to the breeds that lost most by that (equal ones: in the order given). The last
    picture of a breed stays in train, so that breeds of one or two can leave val smaller.
    """
    shares = (counts * val_fraction).round(9)  # 100 * 0.29 is 28.999999999999996
    quotas = np.floor(shares).astype(int)
    remainders = (shares - quotas)[quotas + 1 < counts].sort_values(ascending=False, kind="stable")
    extra = round(counts.sum() * val_fraction) - quotas.sum()
    quotas[remainders.index[:extra]] += 1
    return quotas


def check_splits(splits: dict[str, pd.Index], index: Path) -> None:
    """Raise UserError for a split without rows of the index, naming the remedy."""
    remedies = {
        "train": "the trainval list needs pictures that resemble no test picture;"
        " lower split.duplicate_distance or split.val_fraction, or raise split.train_fraction",
        "val": "raise split.val_fraction, or give the breeds more pictures",
        "test": "the test list needs usable pictures: see quarantine.csv",
    }
    for split, rows in splits.items():
        if rows.empty:
            raise UserError(f"{index} leaves no pictures for {split}: {remedies[split]}")
    together = np.sort(np.concatenate([*splits.values()]))
    assert (together[1:] > together[:-1]).all(), "a picture is in two splits"


def write_splits(
    folder: Path, index: pd.DataFrame, splits: dict[str, pd.Index], duplicates: pd.DataFrame
) -> None:
    """Write the lists, sorted by name, duplicates.csv and by_breed.csv into the folder."""
    counts = {}
    with atomic_folder(folder) as target:
        for split, rows in splits.items():
            table = index.loc[rows, COLUMNS]
            write_csv(target / f"{split}.csv", table)
            counts[split] = table.groupby(COLUMNS[1:], observed=True).size()
        write_csv(target / "duplicates.csv", duplicates)
        write_csv(target / "by_breed.csv", pd.DataFrame(counts).fillna(0).astype(int).reset_index())


def summary(
    index: pd.DataFrame, splits: dict[str, pd.Index], duplicates: pd.DataFrame
) -> dict[str, object]:
    """The counts of metrics/split.json; they are printed too."""
    counts = {
        split: {"total": len(rows), **_by_frequency(index["species"][rows])}
        for split, rows in splits.items()
    }
    console.print(", ".join(f"{split} {count['total']}" for split, count in counts.items()))
    console.print(f"left out, too near to a test picture: {len(duplicates)}")
    return {**counts, "duplicates_left_out": len(duplicates)}


def _by_frequency(words: pd.Series) -> dict[str, int]:
    counts = words.groupby(words, observed=True).size()
    ordered = counts.sort_values(ascending=False, kind="stable")
    return {str(word): int(count) for word, count in ordered.items()}


if __name__ == "__main__":
    run_command(main)
