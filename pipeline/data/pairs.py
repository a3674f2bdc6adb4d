"""The pairs of image and mask on disk, in the folder that extract writes."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.core.files import file_digest
from pipeline.core.terminal import track


def image_path(root: Path, name: str) -> Path:
    """The image of a pair."""
    return root / "images" / f"{name}.jpg"


def mask_path(root: Path, name: str) -> Path:
    """The mask of a pair: its class ids."""
    return root / "masks" / f"{name}.png"


def newest(path: Callable[[Path, str], Path], folders: Sequence[Path], name: str) -> Path:
    """The image or mask of a pair in the first of the folders that has it, else in the last.

    path: `image_path` or `mask_path`. People's reviews come before what was published.
    """
    files = [path(folder, name) for folder in folders]
    return next((file for file in files[:-1] if file.is_file()), files[-1])


def changed_files(data: Path) -> dict[Path, tuple[str, str]]:
    """The images and masks whose sha256 is not the one in index.csv: (expected, found).

    A file that is gone counts with "missing" as found.
    """
    with (data / "index.csv").open(newline="", encoding="utf-8") as index:
        expected = {
            path(data, row["name"]): row[f"{kind}_sha256"]
            for row in csv.DictReader(index)
            for kind, path in (("image", image_path), ("mask", mask_path))
        }
    changed = {}
    with track(expected.items(), f"checking {data}", len(expected)) as tracked:
        for file, digest in tracked:
            found = file_digest(file) if file.is_file() else "missing"
            if found != digest:
                changed[file] = digest, found
    return changed
