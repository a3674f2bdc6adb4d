"""Make the three lists: a data set's own where it has them, the others drawn by group."""

import hashlib
import math
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from itertools import pairwise
from pathlib import Path
from sys import intern
from typing import Annotated, Literal, NamedTuple, TypeVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.files import atomic_folder, read_rows, write_json, write_rows
from pipeline.core.params import STRICT, Seed, read_section
from pipeline.core.terminal import UserError, console, path_arguments, run_command
from pipeline.data.classes import read_classes
from pipeline.data.reviewed import Decision, Verdict, read_decisions


class Entry(NamedTuple):
    """What split needs of a row of index.csv."""

    name: str
    groups: tuple[str, ...]
    split: str  # trainval, train, val or test; empty where the data set has no lists
    phash: int  # of 64 bits


Entries = Sequence[Entry]
Splits = Mapping[str, Entries]  # train, val and test, and perhaps added
Duplicate = tuple[str, str, int]  # the names of a test image and another, their differing bits
Group = TypeVar("Group")
Draw = Callable[[Entries, float, int], set[str]]  # see `draw_by_share`


@dataclass(frozen=True, config=STRICT)
class SplitParams:
    """The params.yaml section `split`."""

    by: Literal["stratify", "apart"]  # how lists are drawn; by the data set's first group
    test_fraction: Annotated[float, Field(gt=0, lt=1)]  # of all, if there is no test list
    val_fraction: Annotated[float, Field(gt=0, lt=1)]  # of the rest, if there is no val list
    train_fraction: Annotated[float, Field(gt=0, le=1)]  # of what val leaves
    held_out_fraction: Annotated[float, Field(ge=0, lt=1)]  # of the pairs that people added
    duplicate_distance: Annotated[int, Field(ge=0, le=16)]  # differing bits of 64


def main() -> None:
    paths = {
        "data": "folder with index.csv and dataset.json, from extract",
        "reviewed": "folder of people's decisions and added pairs, from extract",
        "splits": "folder to write: train, val and test.csv; reviewed masks and added pairs",
        "metrics": "JSON file to write: counts",
    }
    arguments = path_arguments("split", __doc__, paths)
    params = read_section("split", SplitParams)
    seed: int = read_section("seed", Seed)
    groups = read_classes(arguments.data).groups
    if params.by == "apart" and not groups:
        raise UserError("split.by: apart needs groups, and the file of the data set names none")
    index = read_index(arguments.data / "index.csv", groups)
    people = arguments.reviewed / "index.csv"  # of the pairs that they added
    added = read_index(people, groups) if people.is_file() else []
    drawn, duplicates, straddling = draw_lists(index, added, params, seed)
    refused = refused_names(read_decisions(arguments.reviewed), drawn["test"])
    # The test list's scores are of all its pictures, and beside that of those that are left.
    splits = drawn | {split: without(refused, drawn[split]) for split in ("train", "val")}
    check_splits(splits, arguments.data / "index.csv")
    write_splits(arguments.splits, groups, splits, duplicates, arguments.reviewed)
    left = {"duplicates": len(duplicates), "straddling": straddling}
    if reviewed := sum(len(drawn[split]) - len(splits[split]) for split in drawn):
        left["reviewed"] = reviewed
    write_json(arguments.metrics, counts(splits, left))


def draw_lists(
    index: Entries, added: Entries, params: SplitParams, seed: int
) -> tuple[dict[str, list[Entry]], list[Duplicate], int]:
    """The lists, the near-duplicates of test images, and how many pairs share another list's group.

    Both are left out. An added pair moves no other pair to another list. Added pairs are trained
    on, except a part held out as the list "added", to show what training on the others did.
    """
    draw = draw_by_share if params.by == "stratify" else draw_apart
    rest, test = take_list(index, "test", params.test_fraction, seed, draw)
    duplicates = find_duplicates([*rest, *added], test, params.duplicate_distance)
    near = {name for name, *_ in duplicates}
    rest, added = without(near, rest), without(near, added)
    before = len(rest) + len(added)
    if params.by == "apart":
        rest = of_other_groups(rest, test)
    train, val = take_list(rest, "val", params.val_fraction, seed, draw)
    if params.by == "apart":
        train, added = of_other_groups(train, val), of_other_groups(added, [*val, *test])
    straddling = before - len(train) - len(val) - len(added)
    if params.train_fraction < 1:
        # A list of one group cannot be divided by groups; a part of it has a part of the group.
        one = len({entry.groups[:1] for entry in train}) == 1
        drawn = (draw_by_share if one else draw)(train, params.train_fraction, seed)
        _, train = parted(train, drawn)
    learned, held_out = parted(added, held_out_names(added, params, seed))
    lists = {"train": sorted([*train, *learned]), "val": val, "test": test}
    return lists | ({"added": held_out} if held_out else {}), duplicates, straddling


def held_out_names(added: Entries, params: SplitParams, seed: int) -> set[str]:
    """The added pairs that are not trained on; each is chosen without regard to the others."""
    most = math.floor(params.held_out_fraction * 2**256)
    apart = params.by == "apart"  # by group, where the name tells one
    units = {each.name: (apart and each.groups[0]) or each.name for each in added}
    return {name for name, unit in units.items() if int.from_bytes(_order(seed, unit)) < most}


def read_index(path: Path, groups: Sequence[str]) -> list[Entry]:
    """The rows of index.csv, which extract has sorted by name."""
    if not path.is_file():
        raise UserError(f"{path} is missing: run the stage extract first")
    index = [_entry(row, groups) for row in read_rows(path)]
    assert all(before.name < entry.name for before, entry in pairwise(index)), "not sorted"
    return index


def _entry(row: Mapping[str, str], groups: Sequence[str]) -> Entry:
    # One string object for each word that repeats: of a million rows it saves 150 MB.
    own = tuple(intern(row[group]) for group in groups)
    return Entry(row["name"], own, intern(row["split"]), int(row["phash"], 16))


def without(names: Set[str], entries: Entries) -> list[Entry]:
    return [entry for entry in entries if entry.name not in names]


def parted(entries: Entries, names: Set[str]) -> tuple[list[Entry], list[Entry]]:
    """(the others, those of these names), both in the order given."""
    return without(names, entries), [entry for entry in entries if entry.name in names]


def refused_names(decisions: Mapping[str, Decision], test: Entries) -> set[str]:
    """The names that people left out.

    Raises UserError for a decision against a test mask that gives no reason: a test list that is
    changed without one is bent towards the model.
    """
    for entry in test:
        decision = decisions.get(entry.name)
        if decision and decision.verdict is not Verdict.RIGHT and not decision.reason:
            raise UserError(
                f"labels/review.csv: {entry.name} is in the test list: give the reason for"
                f" {decision.text!r}"
            )
    return {name for name in decisions if decisions[name].verdict is Verdict.LEAVE_OUT}


def take_list(
    entries: Entries, split: str, fraction: float, seed: int, draw: Draw
) -> tuple[list[Entry], list[Entry]]:
    """(the others, the list): the data set's own list of this name, else one that is drawn."""
    names = {entry.name for entry in entries if entry.split == split}
    if not names:  # the data set's own validation list stays as it is
        names = draw([entry for entry in entries if entry.split != "val"], fraction, seed)
    return parted(entries, names)


def find_duplicates(rest: Entries, test: Entries, distance: int) -> list[Duplicate]:
    """The other images whose hash is within `distance` bits of a test image's.

    Each with the nearest test image, the first of equally near ones.
    """
    from pipeline.ingest.duplicates import nearest_within

    hashes, others = ([entry.phash for entry in entries] for entries in (rest, test))
    positions, bits = nearest_within(hashes, others, distance)
    found = zip(rest, positions.tolist(), bits.tolist(), strict=True)
    return [(entry.name, test[at].name, n) for entry, at, n in found if at >= 0]


def of_other_groups(entries: Entries, others: Entries) -> list[Entry]:
    """The entries whose (first) group none of the others has."""
    groups = {entry.groups[0] for entry in others}
    return [entry for entry in entries if entry.groups[0] not in groups]


def draw_by_share(entries: Entries, fraction: float, seed: int) -> set[str]:
    """The names of this fraction of the entries, of each group in proportion.

    Within a group, those are drawn that come first by sha256 of "SEED:NAME": the same on every
    machine, and an added image moves few of the others.
    """
    by_group: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for entry in entries:
        by_group[entry.groups[:1]].append(entry.name)
    sizes = {group: len(names) for group, names in sorted(by_group.items())}
    drawn: set[str] = set()
    for group, quota in quotas(sizes, fraction).items():
        drawn.update(sorted(by_group[group], key=lambda name: _order(seed, name))[:quota])
    return drawn


def draw_apart(entries: Entries, fraction: float, seed: int) -> set[str]:
    """The names of about this fraction of the entries, whole groups.

    Groups are taken by sha256 of "SEED:GROUP" while they fit into the fraction; if none fits, the
    smallest is. Raises UserError for entries of one group, which cannot be divided.
    """
    sizes = Counter(entry.groups[0] for entry in entries)
    if len(sizes) == 1:
        (group,) = sizes
        raise UserError(
            f"split.by: apart cannot divide {len(entries)} pictures, which are all of one group,"
            f" {group}: use stratify, or lists of the data set's own"
        )
    wanted, drawn, taken = round(fraction * len(entries)), set(), 0
    for group in sorted(sizes, key=lambda group: _order(seed, group)):
        if taken + sizes[group] <= wanted:
            drawn.add(group)
            taken += sizes[group]
    if not drawn and sizes:
        drawn = {min(sizes, key=lambda group: (sizes[group], group))}
    return {entry.name for entry in entries if entry.groups[0] in drawn}


def _order(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def quotas(sizes: Mapping[Group, int], fraction: float) -> dict[Group, int]:
    """How many images of each group are drawn, given how many there are, by largest remainder.

    Each group gets its exact share rounded down. What is then missing from the rounded share of
    the whole goes, one each, to the groups that lost most by that (equal ones: in the order
    given). The last image of a group stays, so groups of one or two can make the list shorter.
    """
    # Rounded, since 100 * 0.29 is 28.999999999999996.
    shares = {group: round(size * fraction, 9) for group, size in sizes.items()}
    found = {group: math.floor(share) for group, share in shares.items()}
    extra = round(sum(sizes.values()) * fraction) - sum(found.values())
    can_give = [group for group, size in sizes.items() if found[group] + 1 < size]
    can_give.sort(key=lambda group: found[group] - shares[group])  # stable
    for group in can_give[:extra]:
        found[group] += 1
    return found


def check_splits(splits: Splits, index: Path) -> None:
    """Raise UserError for a split without images."""
    for split, entries in splits.items():
        if not entries:
            raise UserError(
                f"{index} leaves no pictures for {split}: see quarantine.csv beside it, and"
                " change the fractions, split.by or duplicate_distance in params.yaml (stratify"
                " leaves a group's last picture: of groups of one it draws none)"
            )
    names = [entry.name for entries in splits.values() for entry in entries]
    assert len(set(names)) == len(names), "an image is in two splits"


def write_splits(
    folder: Path,
    groups: Sequence[str],
    splits: Splits,
    duplicates: Sequence[Duplicate],
    reviewed: Path,
) -> None:
    """Write the lists, sorted by name, duplicates.csv and by_group.csv into the folder.

    What people added, and the masks that they changed of the lists that train uses, come beside
    them, in images/ and masks/: a decision about a test picture then trains nothing again.
    """
    found = {split: Counter(entry.groups for entry in entries) for split, entries in splits.items()}
    with atomic_folder(folder) as target:
        for split, entries in splits.items():
            rows = ((entry.name, *entry.groups) for entry in entries)
            write_rows(target / f"{split}.csv", ("name", *groups), rows)
        write_rows(target / "duplicates.csv", ("name", "test_name", "distance"), duplicates)
        every = sorted(set().union(*found.values()))
        table = ((*group, *(found[split][group] for split in splits)) for group in every)
        write_rows(target / "by_group.csv", (*groups, *splits), table)
        used = {entry.name for split in {*splits} - {"test"} for entry in splits[split]}
        for file in sorted(reviewed.glob("*/*")):
            if file.stem in used:
                (target / file.parent.name).mkdir(exist_ok=True)
                shutil.copyfile(file, target / file.parent.name / file.name)


def counts(splits: Splits, left_out: Mapping[str, int]) -> dict[str, object]:
    """The content of metrics/split.json, printed as well; by_group.csv has the groups."""
    totals = {split: len(entries) for split, entries in splits.items()}
    console.print(", ".join(f"{split} {total}" for split, total in totals.items()))
    console.print(f"left out, too near to a test picture: {left_out['duplicates']}")
    if left_out.get("reviewed"):
        console.print(f"left out, by review: {left_out['reviewed']}")
    if left_out["straddling"]:
        console.print(f"left out, of a group in another list: {left_out['straddling']}")
    return {**{split: {"total": total} for split, total in totals.items()}, "left_out": left_out}


if __name__ == "__main__":
    run_command(main)
