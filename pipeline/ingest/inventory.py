"""What the archives hold and the lists name, and the words for what is wrong with a pair."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipeline.core.terminal import UserError
from pipeline.data.images import Problem
from pipeline.data.pets import read_list

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")  # any case
MASK_SUFFIXES = (".png",)
LAYOUT = "expected the official layout, images/NAME.jpg and annotations/trimaps/NAME.png"


class Reason(StrEnum):
    """Why a name is not used: all that quarantine.csv can say."""

    NOT_LISTED = "in no list"
    NO_FILES = "listed, but no files"
    NO_IMAGE = "mask without an image"
    NO_MASK = "image without a mask"
    TWICE = "two files of this name"
    NOT_A_PICTURE = Problem.NOT_AN_IMAGE
    TRUNCATED = Problem.TRUNCATED
    DAMAGED = Problem.DAMAGED
    CRASHED = "crashes the decoder"
    HUNG = "hangs the decoder"
    TOO_LARGE = Problem.TOO_LARGE
    COLOURS = Problem.COLOURS
    MASK_JPEG = "mask is a JPEG, which smears its values"
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
    TWELVE_BITS = "nearly black: 12 bits in 16"
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
    image: str  # path inside the archives, like `trimap`
    trimap: str
    split: str  # trainval or test
    notes: tuple[Note, ...]


@dataclass(frozen=True, order=True)
class Fault:
    """A name that is not used: a row of quarantine.csv."""

    name: str
    file: str  # relative path inside the archives
    reason: Reason
    found: str = ""  # the values of a mask that has others than it should


def take_inventory(source: Path) -> tuple[list[Listed], list[Fault], int]:
    """The pairs to check, the names that are no pair, and the number of different listed names.

    Only `trainval.txt` and `test.txt` are read, not `list.txt`. A name in both belongs to test; a
    name listed twice counts once; both get a note. Hidden files, and files without one of the
    suffixes, are ignored. The official folders may lie below others.
    Raises UserError for a folder without the official layout, and for bad or empty lists.
    """
    annotations, pictures = _folder(source, "annotations"), _folder(source, "images")
    trimaps = _folder(annotations, "trimaps")
    images, more_images = _files(pictures, IMAGE_SUFFIXES)
    masks, more_masks = _files(trimaps, MASK_SUFFIXES)
    at, masks_at = (folder.relative_to(source).as_posix() for folder in (pictures, trimaps))
    splits = _read_splits(annotations)
    pairs, faults = [], []
    for name in sorted(images.keys() | masks.keys() | splits.keys()):
        image = f"{at}/{images.get(name, f'{name}.jpg')}"
        trimap = f"{masks_at}/{masks.get(name, f'{name}.png')}"
        if name in more_images:
            faults.append(Fault(name, f"{at}/{more_images[name]}", Reason.TWICE))
        elif name in more_masks:
            faults.append(Fault(name, f"{masks_at}/{more_masks[name]}", Reason.TWICE))
        elif name not in masks:
            reason = Reason.NO_MASK if name in images else Reason.NO_FILES
            faults.append(Fault(name, image, reason))
        elif name not in images:
            faults.append(Fault(name, trimap, Reason.NO_IMAGE))
        elif name not in splits:
            faults.append(Fault(name, image, Reason.NOT_LISTED))
        else:
            pairs.append(Listed(name, image, trimap, *splits[name]))
    return pairs, faults, len(splits)


def _folder(source: Path, name: str) -> Path:
    """The one folder of this name, wherever it is. Raises UserError for none or several."""
    found = [path for path in source.rglob(name) if path.is_dir() and "__MACOSX" not in path.parts]
    if len(found) != 1:
        names = ", ".join(path.relative_to(source).as_posix() for path in sorted(found)) or "none"
        raise UserError(f"the archives have no single folder {name}/ ({names}): {LAYOUT}")
    return found[0]


def _files(folder: Path, suffixes: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The folder's files by their stems; and, of stems that several have, the last file."""
    found: dict[str, str] = {}
    more: dict[str, str] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            # Names in an archive may not be valid UTF-8; such bytes are written as \x..
            name = entry.name.encode(errors="backslashreplace").decode()
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a million of them
            if suffix.lower() not in suffixes or name.startswith(".") or not entry.is_file():
                continue
            if stem in found:  # in whatever order the system names them
                more[stem] = max(found[stem], name, more.get(stem, ""))
            found[stem] = name
    return found, more


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
