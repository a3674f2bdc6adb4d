"""What a run logs on its way to the store: first to a local file, from there by a thread.

This is the transactional outbox pattern. Each line of the file is one entry: a metric, a tag, or
the end of the run. Nobody waits for the store; what a dead server did not take is sent by the next
stage or by `make sync`. Sending an entry twice is harmless: the store holds equal metrics once.
"""

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag
from mlflow.exceptions import MlflowException

from pipeline.core.files import naming
from pipeline.core.layout import workspace_root
from pipeline.core.terminal import redacted, say
from pipeline.records.database import default_uri
from pipeline.records.store import Store

Entry = dict[str, Any]

BATCH = 100  # entries at a time: what was sent is not sent again if the next ones fail
PAUSE = 1.0  # seconds between two looks at what is to be sent
PATIENCE = 30.0  # seconds that the end of a stage waits for a store that is slow but alive
# What a line holds, at least.
FORMS: tuple[dict[str, type | tuple[type, ...]], ...] = (
    {"store": str, "run": str},
    {"metric": str, "value": (int, float), "step": int, "time": int},
    {"tag": str, "value": str},
    {"status": str, "time": int},
)
OWN = ""  # the repository's own store, which may be moved with it
# Answers that another try will not change: the run was deleted, or the entry is malformed.
REFUSALS = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class Outbox:
    """The entries of one run from one process, which holds a lock on the file."""

    def __init__(self, store: Store, run_id: str, ended: int | None = None) -> None:
        """`ended`: when the run had ended before, in milliseconds since 1970."""
        self.failing = False  # whether the last try to send failed
        self._client, self._run_id = store.client, run_id
        self._path = unsent_folder() / f"{run_id}-{time.time_ns()}.jsonl"
        self._file = self._path.open("a")
        flock(self._file, LOCK_EX)  # freed by the system if this process dies
        name = OWN if store.uri == default_uri() else store.name
        self._write({"store": name, "run": run_id, "ended": ended})
        self._pending: list[Entry] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="outbox", daemon=True)
        self._thread.start()

    def put(self, **entry: Any) -> None:
        """Keep an entry, in one of FORMS."""
        self._write(entry)
        self._pending.append(entry)

    def close(self) -> bool:
        """Wait up to PATIENCE for the rest to be sent; say whether all of it was."""
        self._closing.set()
        self._thread.join(PATIENCE)
        complete = not self._pending
        if complete:
            self._path.unlink()
        self._file.close()
        return complete

    def _write(self, entry: Entry) -> None:
        with naming(self._path):
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def _work(self) -> None:
        """Send what is pending, again and again; once more after `close`."""
        closing = False
        while not closing:
            closing = self._closing.wait(PAUSE)
            while batch := self._pending[:BATCH]:
                try:
                    deliver(self._client, self._run_id, batch)
                except Exception:  # whatever it is: the training continues, the file keeps them
                    self.failing = True
                    break
                self.failing = False
                del self._pending[: len(batch)]


def deliver(client: MlflowClient, run_id: str, entries: Sequence[Entry]) -> None:
    """Hand entries to the store; of two tags with one name the last counts."""
    metrics = [
        Metric(entry["metric"], entry["value"], entry["time"], entry["step"])
        for entry in entries
        if "metric" in entry
    ]
    tags = {entry["tag"]: entry["value"] for entry in entries if "tag" in entry}
    if metrics or tags:
        client.log_batch(run_id, metrics, tags=[RunTag(key, tags[key]) for key in tags])
    for entry in entries:
        if "status" in entry:
            client.set_terminated(run_id, entry["status"], entry["time"])


def send_unsent(store: Store, *, refused: bool = False) -> int:
    """Send what earlier commands left for this store; return for how many that succeeded.

    A run whose process died without ending it is ended as FAILED. What the store refuses for good
    is set aside as *.refused; with `refused`, it is tried again: another store may have answered.
    """
    left = _left_files(refused)
    return sum(_send(store, path, lines) for path, lines in left if lines[0]["store"] == store.name)


def stores_with_unsent(*, refused: bool = False) -> list[str]:
    """The names of the stores for which commands that have ended left unsent entries."""
    return sorted({lines[0]["store"] for _, lines in _left_files(refused)})


def unsent_folder() -> Path:
    """Where the files wait, one a run and process: not in a cache, they exist only here."""
    folder = workspace_root() / "mlartifacts" / "unsent"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def now() -> int:
    """Milliseconds since 1970, as MLflow counts time."""
    return time.time_ns() // 1_000_000


def _left_files(refused: bool) -> Iterator[tuple[Path, list[Entry]]]:
    """The files whose command has ended, each locked while it is looked at, with their entries.

    Oldest first within a run, so that the newest wins; without a last line that was cut short.
    Lines that are no entries are set aside in *.garbage, and so is a file that names no store.
    """
    endings = (".jsonl", ".refused") if refused else (".jsonl",)
    for path in sorted(path for path in unsent_folder().iterdir() if path.suffix in endings):
        # NFS locks only what is open for writing.
        mode = "r+b" if os.access(path, os.W_OK) else "rb"
        # Its command still runs, or another one was faster.
        with suppress(BlockingIOError, FileNotFoundError), path.open(mode) as file:
            flock(file, LOCK_EX | LOCK_NB)
            lines = [(line, _entry(line)) for line in file if line.endswith(b"\n")]
            garbage = [line for line, entry in lines if entry is None]
            entries = [entry for _, entry in lines if entry is not None]
            known = bool(entries) and "store" in entries[0]
            if garbage:
                aside = path.with_suffix(".garbage")
                aside.write_bytes(b"".join(garbage)) if known else path.rename(aside)
                say(f"{aside}: lines that no command of ours wrote")
            if known:
                if entries[0]["store"] == OWN:
                    entries[0]["store"] = redacted(default_uri())
                yield path, entries


def _entry(line: bytes) -> Entry | None:
    """The header or entry in a line; None if it is neither."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    for form in FORMS if isinstance(entry, dict) else ():
        if all(isinstance(entry.get(key), kind) for key, kind in form.items()):
            return entry
    return None


def _send(store: Store, path: Path, lines: list[Entry]) -> bool:
    header, *entries = lines
    if not any("status" in entry for entry in entries):
        ended = header.get("ended") or int(path.stat().st_mtime * 1000)
        entries.append({"status": "FAILED", "time": ended})
    try:
        ended = store.client.get_run(header["run"]).info.end_time or 0
        if ended > entries[-1]["time"]:  # it was continued, and has ended since
            entries = [entry for entry in entries if "metric" in entry]
        deliver(store.client, header["run"], entries)
    except MlflowException as error:
        kept = path.with_suffix(".refused") if error.error_code in REFUSALS else path
        if kept != path:
            with suppress(FileNotFoundError):  # another process was faster
                path.rename(kept)
        say(f"{path.name} not sent to {store.name}, and kept as {kept}: {error}")
        return False
    path.unlink(missing_ok=True)  # two that met here sent the same, which is harmless
    return True
