"""What earlier commands logged and a dead server did not take."""

import json
from pathlib import Path
from typing import Any

from filelock import Timeout
from mlflow.exceptions import MlflowException

from pipeline.core.terminal import console
from pipeline.records.outbox import BATCH, deliver, is_held, outbox_folder, outbox_lock, release
from pipeline.records.store import Store

# Answers that another try will not change: the run was deleted, or the entry is malformed.
REFUSALS = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def send_leftovers(store: Store) -> int:
    """Send what waits for this store; return from how many commands it came.

    A run whose process died without a word is ended as FAILED. What the store refuses for good
    is set aside as *.refused.
    """
    return sum(_send(store, path) for path, uri in _waiting().items() if uri == store.uri)


def stores_with_leftovers() -> list[str]:
    """The URIs of the stores that something waits for whose command has ended."""
    waiting = _waiting().items()
    return sorted({uri for path, uri in waiting if not is_held(outbox_lock(path))})


def _waiting() -> dict[Path, str]:
    """The files and the stores they are for; oldest first within a run, so that the newest wins."""
    waiting = {}
    for path in sorted(outbox_folder().glob("*.jsonl")):
        lines = _read(path)
        if lines:
            waiting[path] = lines[0]["store"]
    return waiting


def _send(store: Store, path: Path) -> bool:
    lock = outbox_lock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False  # its command still runs
    try:
        return _send_locked(store, path)
    finally:
        release(lock)


def _send_locked(store: Store, path: Path) -> bool:
    lines = _read(path)
    if not lines:
        return False  # another command was faster
    header, entries = lines[0], lines[1:]
    if not any("status" in entry for entry in entries):
        ended = header.get("ended") or int(path.stat().st_mtime * 1000)
        entries.append({"status": "FAILED", "time": ended})
    try:
        for start in range(0, len(entries), BATCH):
            deliver(store.client, header["run"], entries[start : start + BATCH])
    except MlflowException as error:
        if error.error_code in REFUSALS:
            path.rename(path.with_suffix(".refused"))
        console.print(f"{path.name} could not be sent to {store.uri}: {error}", markup=False)
        return False
    path.unlink()
    return True


def _read(path: Path) -> list[dict[str, Any]]:
    """Header and entries, without a last line that was cut short; empty if the file is gone."""
    try:
        lines = path.read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("\n")]
