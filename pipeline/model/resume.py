"""The state of a training under way: one that was killed continues after its last whole epoch.

It lies outside DVC's outputs, in .cache/training of the repository, named by a digest of
everything the training depends on: a command that asks for the same training continues it.
"""

import hashlib
import io
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from pipeline.core.files import atomic_file, file_digest, locked, scratch_folder
from pipeline.core.layout import LOCK, cache_folder
from pipeline.core.params import load_yaml
from pipeline.core.terminal import console, say

STATE, FINISHED = "state.pth", "finished"
ABANDONED = 30 * 24 * 3600  # seconds after which nobody is expected to come back for a training
UNSAVED = 3600  # the same for a finished one, of which DVC has only to save the outputs


class Paused(SystemExit):
    """The training stops after `epochs` of its epochs, as it was told to, with its state saved."""

    def __init__(self, epochs: int) -> None:
        super().__init__(os.EX_TEMPFAIL)
        self.epochs = epochs


class TrainingState:
    """The state of one training, held by one process.

    `id` names this training among all there ever were, also after an interruption.
    """

    def __init__(self, folder: Path) -> None:
        self.file, known = folder / STATE, folder / "id"
        if not (known.exists() and known.read_text()):
            with atomic_file(known) as temporary:
                temporary.write_text(uuid.uuid4().hex)
                os.sync()  # a power cut must not leave an empty one
        self.id = known.read_text()

    def save(self, state: dict[str, Any]) -> None:
        """Replace what is kept by a nested dict of tensors, numbers and texts."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        with atomic_file(self.file) as temporary:
            temporary.write_bytes(buffer.getbuffer())
            os.sync()  # a power cut leaves the last state or this one, and the metrics before it

    def load(self) -> dict[str, Any] | None:
        """What was saved last, on the CPU; None if nothing was, or it cannot be read."""
        if not self.file.exists():
            return None
        try:
            return torch.load(self.file, weights_only=True, map_location="cpu")
        except Exception:  # of many kinds: a power cut can leave a file without content
            say(f"{self.file} is damaged, the training starts over")
            return None

    def finish(self, checkpoint: Path) -> None:
        """Mark the training as finished, until DVC has saved its outputs.

        If DVC is killed before that, the next run writes them again from this state. Once dvc.lock
        names the checkpoint, or after an hour, the same training asked for again is a new one.
        """
        with atomic_file(self.file.with_name(FINISHED)) as temporary:
            temporary.write_text(file_digest(checkpoint, "md5"))  # the digest that DVC uses

    def remove(self) -> None:
        """Forget the training: the next one of this name is a new one."""
        _remove(self.file.parent)


def training_key(*parts: object, files: Sequence[Path] = ()) -> str:
    """A digest of all that a training depends on: the parts by their `repr`, files, code, torch.

    The code is what dvc.yaml lists for train.
    """
    root = Path(__file__).resolve().parents[2]
    deps = load_yaml((root / "dvc.yaml").read_text())["stages"]["train"]["deps"]
    code = [root / dep for dep in deps if dep.startswith(("pipeline/", "stages/"))]
    sources = [file for dep in code for file in (dep, *sorted(dep.rglob("*.py")))]
    digests = [(file.name, file_digest(file)) for file in sources if file.is_file()]
    given = [file_digest(file) for file in files]
    return hashlib.sha256(repr((parts, given, digests, torch.__version__)).encode()).hexdigest()


@contextmanager
def training_state(key: str) -> Iterator[TrainingState]:
    """Lock and give the state of the training named `key` (a digest); wait if it is in use.

    States that are no longer needed are removed first.
    """
    folder = cache_folder("training")
    mine = folder / key[:32]
    _remove_unneeded(folder, mine)
    waiting = "The same training is running already: waiting for its end."
    with locked(Path(f"{mine}.lock"), waiting):
        mine.mkdir(exist_ok=True)
        state = TrainingState(mine)
        try:
            yield state
        except Paused as pause:
            console.print(f"Paused after epoch {pause.epochs}: the same params continue from here.")
            raise
        except (KeyboardInterrupt, SystemExit):
            if state.file.exists():
                console.print("Finished epochs are kept: the same command continues after them.")
            raise


def _remove_unneeded(folder: Path, mine: Path) -> None:
    for state in filter(Path.is_dir, folder.iterdir()):
        try:
            age = time.time() - state.stat().st_mtime
            unneeded = state != mine and age > ABANDONED
            if (state / FINISHED).exists():
                saved = LOCK.exists() and (state / FINISHED).read_text() in LOCK.read_text()
                unneeded = saved or age > UNSAVED
            if unneeded:
                with FileLock(f"{state}.lock", timeout=0):
                    _remove(state)
        except (Timeout, FileNotFoundError):
            continue  # a slow epoch; or another training removes it


def _remove(state: Path) -> None:
    with scratch_folder(state) as gone:  # in one step: half a state would be another training
        state.rename(gone / state.name)
