"""What the archives hold and the lists name, and the words for what is wrong with a pair."""

import os
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipeline.core.terminal import UserError
from pipeline.data.images import Problem
from pipeline.data.pets import read_list

IMAGES = "images"
TRIMAPS = "annotations/trimaps"


class Reason(StrEnum):
    """Why a name is not used: all that quarantine.csv can say."""

    NOT_LISTED = "in no list"
    NO_FILES = "listed, but no files"
    NO_IMAGE = "mask without an image"
    NO_MASK = "image without a mask"
    NOT_A_PICTURE = Problem.NOT_AN_IMAGE
    TRUNCATED = Problem.TRUNCATED
    DAMAGED = Problem.DAMAGED
    CRASHED = "crashes the decoder"
    HUNG = "hangs the decoder"
    TOO_LARGE = Problem.TOO_LARGE
    COLOURS = Problem.COLOURS
    MASK_CHANNELS = "mask has more than one channel"
    MASK_VALUES = "mask has values other than 1, 2, 3"
    SIZES = "image and mask differ in size"


class Note(StrEnum):
    """What was odd about a pair that is used: all that the note column can say."""

    PNG = "PNG"
    GIF = "GIF"
    OTHER_FORMAT = "another format"
    GRAYSCALE = "grayscale"
    DEEP = "16-bit"
    PALETTE = "palette"
    CMYK = "CMYK"
    ALPHA = "alpha on white"
    ROTATED = "rotated by EXIF"
    NOT_ROTATED = "EXIF rotation dropped"
    LISTED_TWICE = "listed twice"
    IN_BOTH_LISTS = "in both lists, kept in test"


@dataclass(frozen=True, slots=True)
class Listed:
    """A listed name that has both files."""

    name: str
    split: str  # trainval or test
    notes: tuple[Note, ...]

    @property
    def image(self) -> str:
        """Path inside the archives, like `trimap`."""
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
    """The pairs to check, the names that are no pair, and the number of different listed names.

    Only `trainval.txt` and `test.txt` are read, not `list.txt`. A name in both belongs to test; a
    name listed twice counts once; both get a note. Hidden files, and all but images/*.jpg and
    annotations/trimaps/*.png, are ignored.
    Raises UserError for a folder without the official layout, and for bad or empty lists.
    """
    images, masks = _stems(source / IMAGES, ".jpg"), _stems(source / TRIMAPS, ".png")
    splits = _read_splits(source / "annotations")
    pairs, faults = [], []
    for name in sorted(images | masks | splits.keys()):
        image, trimap = f"{IMAGES}/{name}.jpg", f"{TRIMAPS}/{name}.png"
        if name not in masks:
            reason = Reason.NO_MASK if name in images else Reason.NO_FILES
            faults.append(Fault(name, image, reason))
        elif name not in images:
            faults.append(Fault(name, trimap, Reason.NO_IMAGE))
        elif name not in splits:
            faults.append(Fault(name, image, Reason.NOT_LISTED))
        else:
            pairs.append(Listed(name, *splits[name]))
    return pairs, faults, len(splits)


def _stems(folder: Path, suffix: str) -> set[str]:
    if not folder.is_dir():
        raise UserError(
            f"the archives have no folder {folder.name}/: expected the official layout,"
            f" {IMAGES}/NAME.jpg in images.tar and {TRIMAPS}/NAME.png in annotations.tar"
        )
    # Names in an archive may not be valid UTF-8; such bytes are written as \x..
    with os.scandir(folder) as entries:
        return {
            entry.name.removesuffix(suffix).encode(errors="backslashreplace").decode()
            for entry in entries
            if entry.name.endswith(suffix) and not entry.name.startswith(".") and entry.is_file()
        }


def _read_splits(annotations: Path) -> dict[str, tuple[str, tuple[Note, ...]]]:
    """The split of every listed name, with notes on names listed more than once."""
    splits: dict[str, tuple[str, tuple[Note, ...]]] = {}
    for split in ("trainval", "test"):  # test comes last, and keeps what is in both
        for name, times in Counter(read_list(annotations / f"{split}.txt")).items():
            both = (Note.IN_BOTH_LISTS,) if name in splits else ()
            splits[name] = split, (*both, *((Note.LISTED_TWICE,) if times > 1 else ()))
    if not splits:
        raise UserError("the archives' lists, trainval.txt and test.txt, name no pictures")
    return splits
