"""labels/added/: pairs that people add to the training list, from photographs that were in use."""

import csv
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pipeline.core.files import write_file, write_rows
from pipeline.core.terminal import UserError
from pipeline.data.pairs import image_path, mask_path
from pipeline.ingest.decisions import locked, readable

FOLDER = "added"  # in labels/
FILE = "added.csv"


@dataclass(frozen=True)
class Addition:
    """A row of added.csv."""

    name: str  # of the pair
    dataset: str  # whose classes the mask has
    origin: str  # where the image came from
    reviewer: str


COLUMNS = tuple(field.name for field in fields(Addition))


def read_additions(labels: Path) -> dict[str, Addition]:
    """The rows of added.csv by name; none without the file. Raises UserError for another table."""
    file = labels / FOLDER / FILE
    if not file.is_file():
        return {}
    with readable(file), file.open(newline="", encoding="utf-8-sig") as table:
        rows = [*csv.reader(table)]
    if rows[:1] != [[*COLUMNS]] or any(len(row) != len(COLUMNS) for row in rows):
        raise UserError(f"{file}: each line must have the columns {','.join(COLUMNS)}")
    found = {row[0]: Addition(*row) for row in rows[1:]}
    if len(found) < len(rows[1:]):
        raise UserError(f"{file}: a name is there twice")
    return found


def add_pair(labels: Path, addition: Addition, image: bytes, mask: bytes) -> None:
    """Add the pair: a JPEG, and a PNG of class ids of its size.

    When this returns, the pair is in the table. Several processes may add at once. Raises
    UserError, and changes nothing, if one of this name is there.
    """
    folder = labels / FOLDER
    with locked(labels):
        added = read_additions(labels)
        if addition.name in added:
            raise UserError(f"{addition.name} was added in the meantime")
        write_file(image_path(folder, addition.name), image)
        write_file(mask_path(folder, addition.name), mask)
        _write(folder, added | {addition.name: addition})


def remove_pair(labels: Path, name: str) -> None:
    """Take an added pair out again."""
    folder = labels / FOLDER
    with locked(labels):
        rows = read_additions(labels)
        rows.pop(name, None)
        _write(folder, rows)
        for file in (image_path(folder, name), mask_path(folder, name)):
            file.unlink(missing_ok=True)


def _write(folder: Path, rows: dict[str, Addition]) -> None:
    write_rows(folder / FILE, COLUMNS, (astuple(rows[name]) for name in sorted(rows)))
