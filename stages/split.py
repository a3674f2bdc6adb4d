"""Split the pictures: the official test list as it is, the rest by breed into train and val."""

import csv
import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from sys import intern
from typing import Annotated, NamedTuple

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.files import atomic_folder, write_json, write_rows
from pipeline.core.params import STRICT, Seed, read_section
from pipeline.core.terminal import UserError, console, path_arguments, run_command


class Entry(NamedTuple):
    """What split needs of a row of index.csv."""

    name: str
    breed: str
    species: str
    split: str  # trainval or test
    phash: int  # of 64 bits


Splits = Mapping[str, Sequence[Entry]]  # train, val and test
Duplicate = tuple[str, str, int]  # the names of a trainval and a test image, their differing bits


@dataclass(frozen=True, config=STRICT)
class SplitParams:
    """The params.yaml section `split`."""

    val_fraction: Annotated[float, Field(gt=0, lt=1)]  # of trainval
    train_fraction: Annotated[float, Field(gt=0, le=1)]  # of what val leaves
    duplicate_distance: Annotated[int, Field(ge=0, le=16)]  # differing bits of 64


def main() -> None:
    paths = {
        "index": "index.csv, from extract",
        "splits": "folder to write: train, val and test.csv",
        "metrics": "JSON file to write: counts",
    }
    arguments = path_arguments("split", __doc__, paths)
    params = read_section("split", SplitParams)
    seed: int = read_section("seed", Seed)
    index = read_index(arguments.index)
    test = [entry for entry in index if entry.split == "test"]
    trainval = [entry for entry in index if entry.split == "trainval"]
    duplicates = find_duplicates(trainval, test, params.duplicate_distance)
    left_out = {name for name, *_ in duplicates}
    rest = [entry for entry in trainval if entry.name not in left_out]
    train, val = divide(rest, params.val_fraction, seed)
    if params.train_fraction < 1:
        _, train = divide(train, params.train_fraction, seed)
    splits = {"train": train, "val": val, "test": test}
    check_splits(splits, arguments.index)
    write_splits(arguments.splits, splits, duplicates)
    write_json(arguments.metrics, counts(splits, duplicates))


def read_index(path: Path) -> list[Entry]:
    """The rows of index.csv, which extract has sorted by name."""
    if not path.is_file():
        raise UserError(f"{path} is missing: run the stage extract first")
    with path.open(newline="", encoding="utf-8") as file:
        index = [_entry(row) for row in csv.DictReader(file)]
    assert all(before.name < entry.name for before, entry in pairwise(index)), "not sorted"
    return index


def _entry(row: Mapping[str, str]) -> Entry:
    # One string object for each word that repeats: of a million rows it saves 150 MB.
    words = intern(row["breed"]), intern(row["species"]), intern(row["split"])
    return Entry(row["name"], *words, int(row["phash"], 16))


def find_duplicates(
    trainval: Sequence[Entry], test: Sequence[Entry], distance: int
) -> list[Duplicate]:
    """The trainval images whose hash is within `distance` bits of a test image's.

    Each with the nearest test image, the first of equally near ones.
    """
    from pipeline.ingest.duplicates import nearest_within

    hashes, others = ([entry.phash for entry in entries] for entries in (trainval, test))
    positions, bits = nearest_within(hashes, others, distance)
    found = zip(trainval, positions.tolist(), bits.tolist(), strict=True)
    return [(entry.name, test[at].name, n) for entry, at, n in found if at >= 0]


def divide(
    entries: Sequence[Entry], val_fraction: float, seed: int
) -> tuple[list[Entry], list[Entry]]:
    """(train, val), both in the order given, each breed in proportion.

    Within a breed, val takes the first names by sha256 of "SEED:NAME": the same on every machine,
    and an added image moves few of the others.
    """
    by_breed: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        by_breed[entry.breed].append(entry.name)
    sizes = {breed: len(names) for breed, names in sorted(by_breed.items())}
    val: set[str] = set()
    for breed, quota in val_quotas(sizes, val_fraction).items():
        names = by_breed[breed]
        names.sort(key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
        val.update(names[:quota])
    train = [entry for entry in entries if entry.name not in val]
    return train, [entry for entry in entries if entry.name in val]


def val_quotas(sizes: Mapping[str, int], val_fraction: float) -> dict[str, int]:
    """How many images of each breed go to val, given how many there are, by largest remainder.

    Each breed gets its exact share rounded down. What is then missing from the rounded share of
    the whole goes, one each, to the breeds that lost most by that (equal ones: in the order
    given). The last image of a breed stays in train, so breeds of one or two can leave val smaller.
    """
    # Rounded, since 100 * 0.29 is 28.999999999999996.
    shares = {breed: round(size * val_fraction, 9) for breed, size in sizes.items()}
    quotas = {breed: math.floor(share) for breed, share in shares.items()}
    extra = round(sum(sizes.values()) * val_fraction) - sum(quotas.values())
    can_give = [breed for breed, size in sizes.items() if quotas[breed] + 1 < size]
    can_give.sort(key=lambda breed: quotas[breed] - shares[breed])  # stable
    for breed in can_give[:extra]:
        quotas[breed] += 1
    return quotas


def check_splits(splits: Splits, index: Path) -> None:
    """Raise UserError for a split without images."""
    for split, entries in splits.items():
        if not entries:
            raise UserError(
                f"{index} leaves no pictures for {split}: see quarantine.csv beside it, and"
                " change split.val_fraction, train_fraction or duplicate_distance in params.yaml"
            )
    names = [entry.name for entries in splits.values() for entry in entries]
    assert len(set(names)) == len(names), "an image is in two splits"


def write_splits(folder: Path, splits: Splits, duplicates: Sequence[Duplicate]) -> None:
    """Write the lists, sorted by name, duplicates.csv and by_breed.csv into the folder."""
    by_breed = {
        split: Counter((entry.breed, entry.species) for entry in entries)
        for split, entries in splits.items()
    }
    breeds = sorted(set().union(*by_breed.values()))
    with atomic_folder(folder) as target:
        for split, entries in splits.items():
            rows = (entry[:3] for entry in entries)
            write_rows(target / f"{split}.csv", Entry._fields[:3], rows)
        write_rows(target / "duplicates.csv", ("name", "test_name", "distance"), duplicates)
        table = ((*breed, *(by_breed[split][breed] for split in splits)) for breed in breeds)
        write_rows(target / "by_breed.csv", ("breed", "species", *splits), table)


def counts(splits: Splits, duplicates: Sequence[Duplicate]) -> dict[str, object]:
    """The counts of metrics/split.json; they are printed too."""
    console.print(", ".join(f"{split} {len(entries)}" for split, entries in splits.items()))
    console.print(f"left out, too near to a test picture: {len(duplicates)}")
    totals = {}
    for split, entries in splits.items():
        species = Counter(sorted(entry.species for entry in entries))
        totals[split] = {"total": len(entries), **dict(species.most_common())}
    return {**totals, "duplicates_left_out": len(duplicates)}


if __name__ == "__main__":
    run_command(main)
