"""Whether a data set's files are those that it was made with."""

from pathlib import Path

import pandas as pd

from pipeline.core.files import file_digest
from pipeline.core.terminal import track
from pipeline.data.pets import image_path, mask_path


def changed_files(pets: Path) -> dict[Path, tuple[str, str]]:
    """The pictures and masks whose sha256 is not index.csv's: that one, and theirs or "missing"."""
    index = pd.read_csv(pets / "index.csv")
    expected: dict[Path, str] = {}
    for path, digests in ((image_path, "image_sha256"), (mask_path, "mask_sha256")):
        files = [path(pets, str(name)) for name in index["name"]]
        expected |= dict(zip(files, index[digests].astype(str), strict=True))
    changed = {}
    with track(expected.items(), f"checking {pets}", len(expected)) as tracked:
        for file, digest in tracked:
            got = file_digest(file) if file.is_file() else "missing"
            if got != digest:
                changed[file] = digest, got
    return changed
