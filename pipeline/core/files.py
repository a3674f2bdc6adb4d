"""Files and folders that appear whole or not at all, and their digests."""

import csv
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.terminal import UserError, say

if TYPE_CHECKING:  # pandas takes half a second to import: only a caller that has a table pays
    import pandas as pd

TEXTS = ("name", "slice", "group", "score")  # columns of tables
ROWS = 2_000  # of a table that are text at a time while it is written


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path`; rename it to `path` when the block succeeds.

    Raises UserError if there is no file in its place, but a folder or a device.
    """
    if path.exists() and not path.is_file():
        kind = "folder" if path.is_dir() else "device"
        raise UserError(f"{path} is a {kind}: name a file")
    temporary = _name_beside(path)
    with _in_use(temporary, os.O_CREAT | os.O_EXCL):
        try:
            with naming(path):
                yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`; move it to `path` when the block succeeds."""
    with scratch_folder(path, "new") as made, scratch_folder(path, "old") as old:
        yield made
        if path.exists():
            path.rename(old / path.name)  # not removed in place: a kill would leave half of it
        made.rename(path)


@contextmanager
def scratch_folder(path: Path, what: str = "work") -> Iterator[Path]:
    """Give an empty folder beside `path`; remove it when the block ends."""
    folder = _name_beside(path, f".{what}")
    folder.mkdir()
    with _in_use(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add `path` to the block's disk errors that name no file, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def _name_beside(path: Path, what: str = "") -> Path:
    """A new temporary name in the folder of `path`, which is created if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(path.parent.absolute())
    return path.with_name(f".{path.name}{what}.petseg-{secrets.token_hex(4)}.tmp")


@contextmanager
def _in_use(temporary: Path, flags: int = 0) -> Iterator[None]:
    """Hold a lock on the temporary file or folder. The system frees it when the process dies."""
    descriptor = os.open(temporary, os.O_RDONLY | flags, 0o666)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def locked(file: Path, waiting: str) -> Iterator[None]:
    """Hold the lock of a file; print `waiting` if another process holds it, and wait for it."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - with asyncio, which --help need not load

    lock = FileLock(file)
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        say(waiting)
        held = lock.acquire()
    with held:
        yield


@cache  # once per process and folder
def _clear_abandoned(folder: Path) -> None:
    """Remove what killed processes left in the folder under temporary names."""
    for left in folder.glob(".*.petseg-????????.tmp"):
        with suppress(OSError):  # another process was quicker
            descriptor = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an OSError if in use
                # A second: between its creation and its lock, a file looks abandoned too.
                if time.time() - left.stat().st_mtime > 1:
                    shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()
            finally:
                os.close(descriptor)


def write_file(path: Path, content: bytes | str) -> None:
    """Write all of the content, texts in UTF-8, or nothing."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, values: object) -> None:
    """Write values as indented JSON, keeping their order."""
    write_file(path, json.dumps(values, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file; an empty mapping if there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write the table's columns (not its index) as CSV."""
    with atomic_file(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", chunksize=ROWS)


def read_csv(path: Path) -> "pd.DataFrame":
    """A table of `write_csv` or `write_rows`. Texts stay texts: groups may be called NA or 007."""
    import pandas as pd  # noqa: PLC0415 - half a second

    return pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values="")


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Write rows of these columns as CSV, without pandas."""
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of `write_rows`, by column, without pandas."""
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """The hex digest of a file's bytes, read in chunks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()
