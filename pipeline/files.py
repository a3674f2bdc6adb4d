"""Files and folders that appear whole or not at all, their digests, and the project's root."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

ROWS = 2_000  # of a table that are text at a time while it is written


def workspace_root() -> Path:
    """The repository that owns the lasting state (the MLflow store, caches).

    DVC runs some experiments in a temporary copy of the workspace; DVC_ROOT then still names
    the repository they came from.
    """
    return Path(os.environ.get("DVC_ROOT") or Path(__file__).resolve().parents[1])


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`; put it in its place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, values: object) -> None:
    """Write values as indented JSON, in the order they are in."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write the table's columns (not its index) as CSV."""
    with atomic_file(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", chunksize=ROWS)


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """The hex digest of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()
