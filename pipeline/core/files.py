"""Files and folders that appear whole or not at all, and their digests."""

import csv
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:  # it takes half a second to import: only a caller that has a table needs it
    import pandas as pd

ROWS = 2_000  # of a table that are text at a time while it is written

_CLEARING = threading.Lock()


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends well."""
    temporary = _beside(path)
    try:
        with naming(path):
            yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`; put it in its place when the block ends well."""
    with scratch_folder(path, "new") as made, scratch_folder(path, "old") as old:
        yield made
        if path.exists():
            path.rename(old / path.name)  # not removed in its place: a kill would leave half of it
        made.rename(path)


@contextmanager
def scratch_folder(path: Path, what: str = "work") -> Iterator[Path]:
    """Give an empty folder beside `path`, for this process alone; it goes with the block."""
    folder = _beside(path, f".{what}")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the disk in the block name `path`, where they would name nothing (a full disk)."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def _beside(path: Path, what: str = "") -> Path:
    """A temporary name of this process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _CLEARING:  # else a thread that comes late would take another's file for abandoned
        _clear_abandoned(path.parent.absolute())
    return path.with_name(f".{path.name}{what}.{os.getpid()}.tmp")


@cache
def _clear_abandoned(folder: Path) -> None:
    """Remove what killed processes left under temporary names; once a process is enough."""
    for left in folder.glob(".*.tmp"):
        pid = left.name.split(".")[-2]
        if pid.isdecimal() and (int(pid) == os.getpid() or not _works(int(pid))):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _works(pid: int) -> bool:
    """Of a killed process something stays until its parent has asked how it ended, or for ever."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def write_json(path: Path, values: object) -> None:
    """Write values as indented JSON, in the order they are in."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n")


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write the table's columns (not its index) as CSV."""
    with atomic_file(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", chunksize=ROWS)


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Write rows of these columns as CSV, without pandas."""
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """The hex digest of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()
