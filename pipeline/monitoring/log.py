"""The prediction log: one line of JSON for each picture that a model has labelled.

A process appends to a file of its own, each row in one write, so that a kill leaves whole rows, and
several servers can share a folder. Nothing of the pictures is in it, unless some are to be kept.
"""

import errno
import json
import os
import secrets
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from pipeline.core.files import atomic_file
from pipeline.core.terminal import UserError
from pipeline.deploy.predictor import Array

if TYPE_CHECKING:
    import pandas as pd

PIECE = 8_000_000  # bytes, about 10,000 rows: then a process begins another file
MOST = 500_000_000  # bytes of all pieces: then the oldest goes
KEPT = "kept"  # the folder of kept pictures, in the log's
MOST_KEPT = 1000  # pictures: then the oldest goes
REMEMBERED = 1000  # confidences, which tell what is low
QUALITY = 90  # of a kept JPEG


class PredictionLog:
    """A folder of rows: `write` adds one. Threads may share it."""

    def __init__(self, folder: Path, keep: float = 0.0) -> None:
        """keep: the share of the pictures, in [0, 1], that is kept: the least confident ones.

        Raises UserError if nothing can be written into the folder.
        """
        self.folder, self.keep, self.dropped = folder, keep, 0
        self._lock, self._warned = Lock(), False
        self._recent: deque[float] = deque(maxlen=REMEMBERED)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if keep:
                (folder / KEPT).mkdir(mode=0o700, exist_ok=True)
            self._piece = self._begin()
        except OSError as error:
            name = error.filename or folder
            raise UserError(f"{name}: the log cannot be written: {error.strerror}") from None

    def write(
        self,
        identity: Mapping[str, Any],
        observation: Mapping[str, Any],
        *,
        format: str,  # noqa: A002 - what the row calls it
        seconds: float,
        image: Array | None,
    ) -> None:
        """Add a row: the model's identity, the observation, the file's format, the time it took.

        image: (H, W, 3) uint8 RGB, upright, which may be kept as a JPEG without metadata, named
        after the row's id. What the disk refuses is counted in `dropped`, and never raised.
        """
        now = datetime.now(UTC)
        name = f"{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
        row = {"id": name, "time": now.isoformat(timespec="milliseconds"), **identity}
        row |= {"format": format, "ms": round(seconds * 1000, 1), **observation}
        line = (json.dumps(row, separators=(",", ":")) + "\n").encode()
        with self._lock:
            wanted = bool(self.keep) and self._is_unsure(observation.get("confidence"))
            try:
                self._append(line)
            except OSError as error:
                self.dropped += 1
                self._warn(error)
        if wanted and image is not None:
            try:
                self._save(image, name)
            except OSError as error:
                self._warn(error)

    def close(self) -> None:
        with self._lock:
            os.close(self._piece)

    def _append(self, line: bytes) -> None:
        state = os.fstat(self._piece)
        size = state.st_size
        if size + len(line) > PIECE or not state.st_nlink:  # another process may have deleted it
            begun = self._begin()
            os.close(self._piece)
            self._piece, size = begun, 0
        if (written := os.write(self._piece, line)) < len(line):
            os.ftruncate(self._piece, size)  # no half row: nobody else writes this file
            raise OSError(errno.ENOSPC, f"{written} of {len(line)} bytes written", str(self.folder))

    def _begin(self) -> int:
        """Delete the oldest pieces beyond MOST, and create one; return its descriptor."""
        self.folder.mkdir(parents=True, exist_ok=True)  # somebody may have moved it away
        room = MOST - PIECE
        for piece in reversed(_pieces(self.folder)):
            with suppress(FileNotFoundError):  # another process was quicker
                room -= piece.stat().st_size
                if room < 0:
                    piece.unlink()
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        return os.open(self.folder / name, flags, 0o600)

    def _is_unsure(self, confidence: float | None) -> bool:
        """Whether it is among the lowest `keep` of the recent ones; without any, by chance."""
        if confidence is None:
            return secrets.randbelow(10_000) < self.keep * 10_000
        self._recent.append(confidence)
        lower = sum(other <= confidence for other in self._recent) - 1  # without itself
        return lower < self.keep * len(self._recent)

    def _save(self, image: Array, name: str) -> None:
        from PIL import Image  # noqa: PLC0415 - the log alone needs none

        folder = self.folder / KEPT
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic_file(folder / f"{name}.jpg") as temporary:
            temporary.chmod(0o600)
            Image.fromarray(image).save(temporary, format="JPEG", quality=QUALITY)
        for file in sorted(folder.glob("*.jpg"))[:-MOST_KEPT]:
            file.unlink(missing_ok=True)

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            text = f"the log in {self.folder} is incomplete: {error.strerror or error}"
            print(f"warning: {text}; rows are dropped until it can be written", file=sys.stderr)


def kept_pictures(folder: Path) -> list[Path]:
    """The pictures that a log keeps, the oldest first. Raises UserError if it keeps none."""
    try:
        # Path.glob takes a folder that may not be read for an empty one.
        names = sorted(os.listdir(folder / KEPT))  # noqa: PTH208
    except OSError as error:
        raise UserError(f"{folder / KEPT}: {error.strerror}") from None
    return [folder / KEPT / name for name in names if name.endswith(".jpg")]


def read_log(folder: Path, since: datetime | None = None) -> "pd.DataFrame":
    """The rows, the oldest first, with `time` as a time in UTC; only those after `since`, if given.

    A row that is not whole, as a power cut may leave one, is left out. Raises UserError for a
    folder without a log. since: with a time zone.
    """
    import pandas as pd  # noqa: PLC0415 - whoever writes needs none

    if not (pieces := _pieces(folder)):
        raise UserError(f"{folder}: no log in it; `make serve LOG={folder}` writes one")
    tables = []
    for piece in pieces:  # one after the other: as mappings, rows take five times the memory
        table = pd.DataFrame([*_rows(piece)] or {"id": [], "time": []})
        table["time"] = pd.to_datetime(table["time"], format="ISO8601", utc=True)
        tables.append(table if since is None else table[table["time"] > since])
    table = pd.concat([each for each in tables if len(each)] or tables, ignore_index=True)
    return table.sort_values(["time", "id"], ignore_index=True)


def _pieces(folder: Path) -> list[Path]:
    """The log's files, the oldest first."""
    return sorted(folder.glob("*.jsonl"))


def _rows(piece: Path) -> Iterator[dict[str, Any]]:
    with suppress(FileNotFoundError), piece.open("rb") as lines:  # a server deletes the oldest
        for line in lines:
            with suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict) and {"id", "time"} <= row.keys():
                    yield row
