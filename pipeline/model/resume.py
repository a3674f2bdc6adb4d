"""The state of a training that is under way, so that a killed one goes on at its last whole epoch.

It lies outside DVC's outputs, in .cache/training at the root of the repository, and is named by
everything the training depends on: whoever asks for the same training again goes on with it.
"""

import hashlib
import io
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from pipeline.core.files import atomic_file, scratch_folder
from pipeline.core.layout import workspace_root
from pipeline.core.terminal import console

STATE, FINISHED = "state.pth", "finished"
ABANDONED = 24 * 3600  # seconds after which nobody is expected to come back for a state


class TrainingState:
    """The state of one training, held by one process.

    `id` names this training among all there ever were, also after an interruption.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / STATE
        self._finished = folder / FINISHED
        self._id_file = folder / "id"
        if not self._id_file.exists():
            with atomic_file(self._id_file) as temporary:
                temporary.write_text(uuid.uuid4().hex)
        self.id = self._id_file.read_text()

    def save(self, state: dict[str, Any]) -> None:
        """Keep a nested dict of tensors, numbers and texts, instead of the one kept before."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        with atomic_file(self.file) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def load(self) -> dict[str, Any] | None:
        """What was saved last, on the CPU; None if nothing was, or it cannot be read."""
        if not self.file.exists():
            return None
        try:
            return torch.load(self.file, weights_only=True, map_location="cpu")
        except Exception:  # of many kinds: a power cut can leave a file without content
            console.print(f"{self.file} is damaged, the training starts over", soft_wrap=True)
            return None

    def finish(self, checkpoint_sha256: str) -> None:
        """The training is finished, but DVC has its outputs only when it has saved them.

        Killed until then, the command writes them again from here. `forget` removes the state.
        """
        with atomic_file(self._finished) as temporary:
            temporary.write_text(checkpoint_sha256)

    def remove(self) -> None:
        """The training is finished: the next one of this name is another."""
        _remove(self.file.parent)


def forget(checkpoint_sha256: str) -> None:
    """Remove the state of the finished training that gave this checkpoint."""
    for file in _states().glob(f"*/{FINISHED}"):
        with suppress(FileNotFoundError):  # another evaluation of it was faster
            if file.read_text() == checkpoint_sha256:
                _remove(file.parent)


def training_key(*parts: object) -> str:
    """A digest of everything that a training's result depends on, by the parts' `repr`."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@contextmanager
def training_state(key: str) -> Iterator[TrainingState]:
    """Hold the state of the training named `key` (a digest) alone; wait while another does.

    States that nobody came back for are removed first.
    """
    folder = _states()
    folder.mkdir(parents=True, exist_ok=True)
    mine = folder / key[:32]
    _remove_abandoned(folder, mine)
    lock = FileLock(f"{mine}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print("The same training is running already: waiting for its end.")
        lock.acquire()
    try:
        mine.mkdir(exist_ok=True)
        yield TrainingState(mine)
    finally:
        lock.release()


def _states() -> Path:
    return workspace_root() / ".cache" / "training"


def _remove(state: Path) -> None:
    with scratch_folder(state) as gone:  # at once: half a state would be another training
        state.rename(gone / state.name)


def _remove_abandoned(folder: Path, mine: Path) -> None:
    for state in filter(Path.is_dir, folder.iterdir()):
        try:
            if state != mine and time.time() - state.stat().st_mtime > ABANDONED:
                with FileLock(f"{state}.lock", timeout=0):
                    _remove(state)
        except (Timeout, FileNotFoundError):
            continue  # a slow epoch; or another training removes it
