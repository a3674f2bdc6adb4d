"""The pairs of image and mask in the folder that extract writes: as files, or in tar shards."""

import hashlib
import io
from array import array
from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.files import read_rows
from pipeline.core.terminal import UserError, track
from pipeline.data.images import load_image, load_mask

SHARDS = "shards"  # the folder of the shards, in the place of images/ and masks/
# Where a pair is, in index.csv: the shard's number, then offsets and lengths in bytes.
SHARD_COLUMNS = ("shard", "image_offset", "image_bytes", "mask_offset", "mask_bytes")

Kind = Literal["image", "mask"]
Array = NDArray[np.uint8]
_reading = Lock()  # one thread reads the index; the others wait for it


class Place(NamedTuple):
    """Where the bytes of an image or a mask are: a file of their own, or a part of a shard."""

    file: Path
    offset: int = 0
    length: int = -1  # to the end

    @property
    def exists(self) -> bool:
        return self.file.is_file()

    def read(self) -> bytes:
        """The JPEG or PNG. Raises OSError if the file is missing or cannot be read."""
        with self.file.open("rb") as stream:
            stream.seek(self.offset)
            return stream.read(self.length)


def image_path(root: Path, name: str) -> Path:
    """The file of a pair's image, where pairs are files."""
    return root / "images" / f"{name}.jpg"


def mask_path(root: Path, name: str) -> Path:
    """The file of a pair's mask: its class ids."""
    return root / "masks" / f"{name}.png"


def shard_path(root: Path, number: int) -> Path:
    """The shard of this number."""
    return root / SHARDS / f"{number:06}.tar"


PATHS: dict[Kind, Callable[[Path, str], Path]] = {"image": image_path, "mask": mask_path}


def image_of(name: str, *folders: Path) -> Array:
    """The image of a pair in the first of the folders that has it: (H, W, 3) uint8 RGB.

    Raises UserError, naming the file, if none has it, or if it is damaged.
    """
    return _decode(load_image, "image", name, folders)


def mask_of(name: str, *folders: Path) -> Array:
    """The mask in the first of the folders that has it: (H, W) uint8, class ids and IGNORE.

    People's reviews come before what was published. Raises UserError as `image_of` does.
    """
    return _decode(load_mask, "mask", name, folders)


def pair_of(name: str, *folders: Path) -> tuple[Array, Array]:
    """Image and mask: see `image_of` and `mask_of`."""
    return image_of(name, *folders), mask_of(name, *folders)


def locate(kind: Kind, name: str, *folders: Path) -> Place:
    """Where the image or mask of a pair is: in the first of the folders that has it.

    If none has it, the place is one in the last, which does not exist.
    """
    *before, last = (_place(kind, name, folder) for folder in folders)
    return next((place for place in before if place.exists), last)


def changed_files(data: Path) -> dict[Path, tuple[str, str]]:
    """The images and masks whose sha256 is not the one in index.csv: (expected, found).

    One that is gone counts with "missing" as found. In a shard its path ends with its name there:
    shards/000000.tar/NAME.jpg.
    """
    rows = read_rows(data / "index.csv")
    expected = {(kind, row["name"]): row[f"{kind}_sha256"] for row in rows for kind in PATHS}
    changed = {}
    with track(expected.items(), f"checking {data}", len(expected)) as tracked:
        for (kind, name), digest in tracked:
            place, path = locate(kind, name, data), PATHS[kind](data, name)
            found = hashlib.sha256(place.read()).hexdigest() if place.exists else "missing"
            if found != digest:
                changed[path if place.file == path else place.file / path.name] = digest, found
    return changed


def _decode(
    load: Callable[[BinaryIO], Array], kind: Kind, name: str, folders: tuple[Path, ...]
) -> Array:
    """Raises UserError for a file that is missing or damaged."""
    place = locate(kind, name, *folders)
    try:
        content = place.read()
    except FileNotFoundError:
        remedy = "run `dvc checkout`, or what writes it"
        raise UserError(f"{place.file} is missing: {remedy}") from None
    try:
        return load(io.BytesIO(content))
    except OSError:  # Pillow's, which names no file
        remedy = f"delete {place.file.parent}, and run `dvc checkout`, or what writes it"
        raise UserError(f"{place.file}: the {kind} of {name} is damaged: {remedy}") from None


def _place(kind: Kind, name: str, folder: Path) -> Place:
    if (folder / SHARDS).is_dir():
        index = folder / "index.csv"
        status = index.stat()
        with _reading:
            names, numbers = _read_index(index.absolute(), status.st_mtime_ns, status.st_ino)
        at = bisect_left(names, name)
        if names[at : at + 1] == [name]:
            width = len(SHARD_COLUMNS)
            shard, *parts = numbers[width * at : width * (at + 1)]
            offset, length = parts[:2] if kind == "image" else parts[2:]
            return Place(shard_path(folder, shard), offset, length)
    return Place(PATHS[kind](folder, name))


@lru_cache(maxsize=2)  # of this and another data set
def _read_index(index: Path, *version: int) -> tuple[list[str], "array[int]"]:
    """The sorted names in index.csv, and the SHARD_COLUMNS of all, a pair after the other.

    About 110 bytes a pair. `version`: of the file, so that it is read again when it has changed.
    """
    names, numbers = [], array("q")
    for row in read_rows(index):
        names.append(row["name"])
        numbers.extend(int(row[column]) for column in SHARD_COLUMNS)
    return names, numbers
