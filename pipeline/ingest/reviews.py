"""Apply what people decided about the pairs, and check the pairs that they added.

The pairs themselves stay as published: scores on them compare with everybody's, and two models
trained on different decisions compare with each other.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pipeline.core.files import atomic_folder, read_rows, write_rows
from pipeline.core.terminal import UserError, console
from pipeline.data import reviewed
from pipeline.data.classes import IGNORE, Classes
from pipeline.data.description import Description, group_of
from pipeline.data.images import open_image, save_mask
from pipeline.data.pairs import image_path, mask_of, mask_path
from pipeline.data.reviewed import Verdict
from pipeline.ingest import additions
from pipeline.ingest.checks import MaskValues, UnusableError
from pipeline.ingest.decisions import FILE, Review, read_reviews
from pipeline.ingest.extraction import store_pairs
from pipeline.ingest.inventory import is_unusual
from pipeline.ingest.vocabulary import Listed, Reason

ADDED = "added"  # in index.csv, the list of pairs that people added
INDEX = "index.csv"
NO_PAIR, CHANGED = "no such pair", "its mask has changed"  # why a decision does not hold

Mask = NDArray[np.uint8]  # (H, W) class ids


def apply_reviews(
    description: Description, where: Path, labels: Path, data: Path, target: Path
) -> dict[str, object]:
    """Write the folder `target`, as `reviewed` describes it, from `labels` and the pairs in `data`.

    A decision about a mask that is no longer the one it judged does not hold, and is counted. Added
    pairs of other data sets than this, `where`'s, are passed over. Returns the counts for
    extract.json: nothing without decisions and added pairs.
    Raises UserError for a decision or a pair that cannot be used; `target` is then left as it was.
    """
    classes = description.to_classes(where.stem)
    digests = mask_digests(data)
    reviews = read_reviews(labels)
    decided = decided_names(reviews, digests)
    holding = [reviews[name] for name in sorted(decided)]
    void = Counter(CHANGED if name in digests else NO_PAIR for name in sorted({*reviews} - decided))
    added = _listed(labels, description, classes, digests.keys())
    with atomic_folder(target) as made:
        if added:
            _store_added(added, labels / additions.FOLDER, classes, made)
        for review in holding:
            mask = reviewed_mask(review, labels, data, classes)
            if mask is not None:
                file = mask_path(made, review.name)
                file.parent.mkdir(exist_ok=True)
                save_mask(file, mask, classes.palette)
        rows = ((review.name, review.decision, review.reason) for review in holding)
        write_rows(made / reviewed.DECISIONS, reviewed.COLUMNS, rows)
    for reason, count in void.items():
        console.print(f"warning: {labels / FILE}: {count} decisions do not hold: {reason}")
    counted = Counter(str(review.verdict) for review in holding)
    found: dict[str, object] = {"reviews": dict(counted), "reviews_that_do_not_hold": dict(void)}
    found["added"] = len(added)
    return {key: count for key, count in found.items() if count}


def reviewed_mask(review: Review, labels: Path, data: Path, classes: Classes) -> Mask | None:
    """The mask that the decision puts in the place of the one in `data`; None if it stays.

    Raises UserError, naming the file, for a mask that is missing, has another size or other values
    than the classes' ids, and for classes that the data set lacks.
    """
    if review.verdict in (Verdict.RIGHT, Verdict.LEAVE_OUT):
        return None
    published = mask_of(review.name, data)
    if review.verdict is Verdict.SWAP:
        names = review.decision.split(":")[1].split(",")
        if unknown := sorted({*names} - {*classes.names}):
            known = ", ".join(classes.names)
            raise UserError(
                f"{labels / FILE}: {review.name}: {unknown[0]} is no class; known: {known}"
            )
        return swapped(published, *map(classes.names.index, names))
    file = mask_path(labels, review.name)
    return read_mask(file, file, classes, published.shape)


def differing_sizes(mask: Sequence[int], picture: Sequence[int]) -> str:
    """What is wrong with a mask of this (height, width)."""
    sizes = " and ".join(f"{width}x{height}" for height, width in (mask, picture))
    return f"it and the picture differ in size: {sizes}"


def swapped(mask: Mask, one: int, other: int) -> Mask:
    """The mask with the two ids exchanged."""
    ids = np.arange(256, dtype=np.uint8)
    ids[[one, other]] = other, one
    return ids[mask]


def read_mask(source: Path | BinaryIO, file: Path, classes: Classes, size: tuple[int, ...]) -> Mask:
    """A mask of class ids, (height, width), that a person gave. Raises UserError with the file."""
    try:
        mask = _class_ids(classes).read(open_image(source), file)
    except UnusableError as error:
        found = f" (found {error.found}; expected 0 to {len(classes) - 1})" if error.found else ""
        raise UserError(f"{file}: {error.reason}{found}") from None
    if mask.shape != size:
        raise UserError(f"{file}: {differing_sizes(mask.shape, size)}")
    return mask


def _class_ids(classes: Classes) -> MaskValues:
    """Masks whose values are the ids themselves."""
    ids = [*range(len(classes)), *([] if classes.ignore is None else [IGNORE])]
    return MaskValues(np.array(ids, np.uint32), np.array(ids, np.uint8), False, None)


def mask_digests(data: Path) -> dict[str, str]:
    """The sha256 of each mask, by name."""
    return {row["name"]: row["mask_sha256"] for row in read_rows(data / INDEX)}


def decided_names(reviews: Mapping[str, Review], digests: Mapping[str, str]) -> set[str]:
    """The names of the pairs whose mask still is the one that was judged."""
    return {name for name in reviews if reviews[name].mask_sha256 == digests.get(name)}


def _listed(
    labels: Path, description: Description, classes: Classes, taken: Iterable[str]
) -> list[Listed]:
    """The added pairs of this data set, by name; a group that the name does not tell is empty."""
    rows = additions.read_additions(labels).values()
    names = sorted(row.name for row in rows if row.dataset == classes.dataset)
    file = labels / additions.FOLDER / additions.FILE
    if bad := [name for name in names if is_unusual(name)]:
        raise UserError(f"{file}: {bad[0]!r}: {Reason.NAME}")
    if twice := sorted({*taken} & {*names}):
        raise UserError(f"{file}: {twice[0]} is a pair of the data set already: rename it")
    unknown = ("",) * len(description.layout.words)
    return [
        Listed(
            name,
            image_path(Path(), name).as_posix(),
            mask_path(Path(), name).as_posix(),
            ADDED,
            (*unknown, *(group_of(name, rule) or "" for rule in description.groups.values())),
        )
        for name in names
    ]


def _store_added(added: Sequence[Listed], folder: Path, classes: Classes, target: Path) -> None:
    """Check and write the added pairs. Raises UserError for one that cannot be used."""
    for pair in added:
        for file in (folder / pair.image, folder / pair.mask):
            if not file.is_file():
                raise UserError(f"{file} is missing: {folder / additions.FILE} names it")
    faults, _, _ = store_pairs(added, classes, _class_ids(classes), folder, target)
    if faults:
        raise UserError(f"{folder / faults[0].file}: {faults[0].reason}: correct it or take it out")
