"""What a run logs on its way to the store: to a local file first, from there by a thread.

Each line of the file is one entry: a metric, a tag, or the end of the run. Nobody waits for the
store; what a dead server did not take is sent later, see `leftovers`. Sending an entry twice does
no harm: the store holds equal metrics once.
"""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag

from pipeline.core.files import naming
from pipeline.core.layout import workspace_root
from pipeline.records.store import Store

BATCH = 100  # entries a request; a store refuses more tags than that
PAUSE = 2.0  # seconds between two tries
PATIENCE = 30.0  # seconds that the end of a stage waits for a store that is slow but alive


class Outbox:
    """The entries of one run from one process. A lock beside the file says that it is in use."""

    def __init__(self, store: Store, run_id: str, ended: int | None = None) -> None:
        """`ended`: when the run had ended before, in milliseconds since 1970."""
        self.failing = False  # whether the last try to send failed
        self._client, self._run_id = store.client, run_id
        self._path = outbox_folder() / f"{run_id}-{time.time_ns()}.jsonl"
        self._lock = outbox_lock(self._path)
        self._lock.acquire()
        self._file = self._path.open("a")
        self._write({"store": store.uri, "run": run_id, "ended": ended})
        self._pending: list[dict[str, Any]] = []
        self._news, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._send, name="outbox", daemon=True)
        self._thread.start()

    def put(self, **entry: Any) -> None:
        """Keep an entry: `metric, value, step` or `tag, value` or `status`; adds the `time`."""
        entry = {"time": now(), **entry}
        self._write(entry)
        self._pending.append(entry)
        self._news.set()

    def close(self) -> bool:
        """Wait a little until the rest is sent; say whether all of it was."""
        self._closing.set()
        self._news.set()
        self._thread.join(PATIENCE)
        self._file.close()
        complete = not self._pending
        if complete:
            self._path.unlink()
        release(self._lock)
        return complete

    def _write(self, entry: dict[str, Any]) -> None:
        with naming(self._path):
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def _send(self) -> None:
        """Send what comes, until `close`; from then on a batch that fails is the last."""
        while self._pending or not self._closing.is_set():
            if not self._pending:
                self._news.wait()
                self._news.clear()
                continue
            last_try = self._closing.is_set()
            batch = self._pending[:BATCH]
            try:
                deliver(self._client, self._run_id, batch)
            except Exception:  # whatever it is: the training goes on, the file keeps the entries
                self.failing = True
                if last_try:
                    return
                self._closing.wait(PAUSE)
            else:
                self.failing = False
                del self._pending[: len(batch)]


def deliver(client: MlflowClient, run_id: str, entries: Sequence[dict[str, Any]]) -> None:
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


def outbox_folder() -> Path:
    """Where the files wait, one for each run and process: not in a cache, they exist only here."""
    folder = workspace_root() / "mlartifacts" / "unsent"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def outbox_lock(path: Path) -> FileLock:
    """Held by the process that fills or sends the file; freed by the system if that dies."""
    return FileLock(path.with_suffix(".lock"))


def is_held(lock: FileLock) -> bool:
    """Whether another process, or another part of this one, holds the lock."""
    if not Path(lock.lock_file).exists():  # asking shall leave no file
        return False
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


def release(lock: FileLock) -> None:
    """Release the lock and remove its file; while it is held that is nobody else's."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def now() -> int:
    """Milliseconds since 1970, as MLflow counts time."""
    return time.time_ns() // 1_000_000
