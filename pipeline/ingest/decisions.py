"""labels/review.csv: what people decided about masks, and the masks that they put in their place.

The folder is an input like the archives: it is committed, and a decision is undone by reverting a
commit. Several processes may write to it at once.
"""

import csv
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from pipeline.core.files import naming, write_file, write_rows
from pipeline.core.terminal import UserError
from pipeline.data.pairs import mask_path
from pipeline.data.reviewed import Verdict, verdict_of

Row = TypeVar("Row", bound=Any)  # a dataclass of texts

FILE = "review.csv"
DECISION = re.compile("|".join(v + (":[^,]+,[^,]+" if v is Verdict.SWAP else "") for v in Verdict))


@dataclass(frozen=True)
class Review:
    """A row of review.csv."""

    name: str  # of the pair
    mask_sha256: str  # of the mask that was judged, as extract wrote it into data/pairs
    decision: str  # a Verdict; after that of swap the two classes: swap:cat,dog
    reviewer: str
    reason: str  # perhaps empty; in the test list it must not be

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.decision)


@dataclass(frozen=True)
class Held:
    """What the folder holds about a pair."""

    review: Review | None = None
    mask: bytes | None = None  # the file in masks/, which some decisions need


def read_reviews(labels: Path) -> dict[str, Review]:
    """The rows of review.csv by name: see `read_table`, which checks no decisions; this does."""
    found = read_table(labels / FILE, Review)
    for review in found.values():
        if not DECISION.fullmatch(review.decision):
            known = ", ".join(Verdict).replace(Verdict.SWAP, "swap:CLASS,CLASS")
            told = f"{review.decision!r} is no decision; accepted: {known}"
            raise UserError(f"{labels / FILE}: {review.name}: {told}")
    return found


def read_table(file: Path, kind: type[Row]) -> dict[str, Row]:
    """The rows of a table by their first column, a name; none without the file.

    kind: a dataclass of texts, whose fields are the columns. Raises UserError, naming the line, for
    what is no row of it, and for a second row of a name.
    """
    found: dict[str, Row] = {}
    if not file.is_file():
        return found
    columns = [field.name for field in fields(kind)]
    with file.open(newline="", encoding="utf-8-sig") as table:
        rows = csv.reader(table)
        try:
            if next(rows, []) != columns:
                raise ValueError(f"its first line must be {','.join(columns)}")
            for row in rows:
                if len(row) != len(columns):
                    raise ValueError(f"{len(row)} columns, expected {len(columns)}")
                if row[0] in found:
                    raise ValueError(f"a second row about {row[0]}: keep one of them")
                found[row[0]] = kind(*row)
        except (UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"{file}: {error}: save it as CSV in UTF-8") from None
        except ValueError as error:
            raise UserError(f"{file}, line {max(1, rows.line_num)}: {error}") from None
    return found


def write_table(file: Path, kind: type[Row], rows: Mapping[str, Row]) -> None:
    """Write what `read_table` reads, sorted by name."""
    columns = [field.name for field in fields(kind)]
    write_rows(file, columns, (astuple(rows[name]) for name in sorted(rows)))


def held(labels: Path, name: str) -> Held:
    """What the folder holds about the pair now."""
    with locked(labels):
        mask = mask_path(labels, name)
        return Held(read_reviews(labels).get(name), mask.read_bytes() if mask.is_file() else None)


def change(labels: Path, name: str, before: Held, after: Held) -> None:
    """Replace what the folder holds about the pair; swap `before` and `after` to undo that.

    When this returns, the decision is in the file, whatever happens to the process. Rows are sorted
    by name. Raises UserError, and changes nothing, if the pair's row is not `before`'s: somebody
    else has decided.
    """
    with locked(labels):
        reviews = read_reviews(labels)
        if reviews.get(name) != before.review:
            other = reviews.get(name)
            said = f"{other.decision}, by {other.reviewer}" if other else "it was taken back"
            raise UserError(f"{name} has been decided meanwhile: {said}")
        mask = mask_path(labels, name)
        if after.mask is not None:  # before the row that needs it
            write_file(mask, after.mask)
        reviews.pop(name, None)
        if after.review is not None:
            reviews[name] = after.review
        write_table(labels / FILE, Review, reviews)
        if after.mask is None:
            mask.unlink(missing_ok=True)


@contextmanager
def locked(labels: Path) -> Iterator[None]:
    """Hold the lock of labels/ itself: it leaves no file there, and ends with the process."""
    labels.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(labels, os.O_RDONLY)
    try:
        with naming(labels):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
