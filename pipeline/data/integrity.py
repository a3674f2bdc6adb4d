"""Whether a data set's files are those that it was made with."""

from pathlib import Path

import pandas as pd

from pipeline.data.pets import image_path, mask_path
from pipeline.files import file_digest
from pipeline.terminal import track


def changed_files(pets: Path) -> dict[Path, tuple[str, str]]:
    """The pictures and masks whose sha256 is not index.csv's: that one, and theirs or "missing"."""
    index = pd.read_csv(pets / "index.csv")
    expected = {image_path(pets, row.name): row.image_sha256 for row in index.itertuples(False)}
    expected |= {mask_path(pets, row.name): row.mask_sha256 for row in index.itertuples(False)}
    changed = {}
    with track(expected.items(), f"checking {pets}", len(expected)) as files:
        for file, digest in files:
            got = file_digest(file) if file.is_file() else "missing"
            if got != digest:
                changed[file] = digest, got
    return changed
