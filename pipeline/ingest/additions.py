"""labels/added/: pairs that people add to the training list, from photographs that were in use."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.files import write_file
from pipeline.core.terminal import UserError
from pipeline.data.pairs import image_path, mask_path
from pipeline.ingest.decisions import locked, read_table, write_table

FOLDER = "added"  # in labels/
FILE = "added.csv"


@dataclass(frozen=True)
class Addition:
    """A row of added.csv."""

    name: str  # of the pair
    dataset: str  # whose classes the mask has
    origin: str  # where the image came from
    reviewer: str


def read_additions(labels: Path) -> dict[str, Addition]:
    """The rows of added.csv by name: see `read_table`."""
    return read_table(labels / FOLDER / FILE, Addition)


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
        write_table(folder / FILE, Addition, added | {addition.name: addition})


def remove_pair(labels: Path, name: str) -> None:
    """Take an added pair out again."""
    folder = labels / FOLDER
    with locked(labels):
        rows = read_additions(labels)
        rows.pop(name, None)
        write_table(folder / FILE, Addition, rows)
        for file in (image_path(folder, name), mask_path(folder, name)):
            file.unlink(missing_ok=True)
