"""What the extracted archives hold, beside what the official lists name."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.terminal import UserError
from pipeline.data.pets import read_list
from pipeline.ingest.findings import Note, Reason

IMAGES = "images"
TRIMAPS = "annotations/trimaps"


@dataclass(frozen=True, slots=True)
class Listed:
    """A name of the lists that has both files."""

    name: str
    split: str  # trainval or test
    notes: tuple[Note, ...]

    @property
    def image(self) -> str:
        """Relative path inside the archives, as the next."""
        return f"{IMAGES}/{self.name}.jpg"

    @property
    def trimap(self) -> str:
        return f"{TRIMAPS}/{self.name}.png"


@dataclass(frozen=True, order=True)
class Fault:
    """A name that is not used: a row of quarantine.csv."""

    name: str
    file: str  # relative path inside the archives
    reason: Reason


def take_inventory(source: Path) -> tuple[list[Listed], list[Fault], int]:
    """Pairs to check, names that are no pair, and how many different names the lists hold.

    `trainval.txt` and `test.txt` rule; `list.txt` is not read. A name in both belongs to the test
    list alone, a name listed twice counts once, both with a note. Hidden files, and files other
    than images/*.jpg and annotations/trimaps/*.png, are passed over.
    Raises UserError for a folder that lacks the official layout, and for bad or empty lists.
    """
    images, masks = _stems(source / IMAGES, ".jpg"), _stems(source / TRIMAPS, ".png")
    splits = _read_splits(source / "annotations")
    pairs, faults = [], []
    for name in sorted(images | masks | splits.keys()):
        image, trimap = f"{IMAGES}/{name}.jpg", f"{TRIMAPS}/{name}.png"
        if name in images and name in masks and name in splits:
            pairs.append(Listed(name, *splits[name]))
        elif name in images and name in masks:
            faults.append(Fault(name, image, Reason.NOT_LISTED))
        elif name in images:
            faults.append(Fault(name, image, Reason.NO_MASK))
        elif name in masks:
            faults.append(Fault(name, trimap, Reason.NO_IMAGE))
        else:
            faults.append(Fault(name, image, Reason.NO_FILES))
    return pairs, faults, len(splits)


def _stems(folder: Path, suffix: str) -> set[str]:
    if not folder.is_dir():
        raise UserError(
            f"the archives have no folder {folder.name}/: expected is the official layout,"
            f" {IMAGES}/NAME.jpg in images.tar and {TRIMAPS}/NAME.png in annotations.tar"
        )
    # An archive may hold names that are no UTF-8; they are listed with \x.. in their place.
    with os.scandir(folder) as entries:
        return {
            entry.name.removesuffix(suffix).encode(errors="backslashreplace").decode()
            for entry in entries
            if entry.name.endswith(suffix) and not entry.name.startswith(".") and entry.is_file()
        }


def _read_splits(annotations: Path) -> dict[str, tuple[str, tuple[Note, ...]]]:
    """The split of every listed name, with a note on names listed more than once."""
    counts = {
        split: Counter(read_list(annotations / f"{split}.txt")) for split in ("trainval", "test")
    }
    splits: dict[str, tuple[str, tuple[Note, ...]]] = {}
    for split, names in counts.items():  # test comes last, and takes what is in both
        for name, times in names.items():
            both = (Note.IN_BOTH_LISTS,) if name in splits else ()
            splits[name] = split, (*both, *((Note.LISTED_TWICE,) if times > 1 else ()))
    if not splits:
        raise UserError("the archives' lists, trainval.txt and test.txt, name no pictures")
    return splits
