"""What a stage can do with its run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Run as StoredRun

from pipeline.core.params import flatten
from pipeline.core.terminal import console
from pipeline.records.outbox import Outbox, now
from pipeline.records.store import Store

CHECKPOINT_TAG = "checkpoint.sha256"


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among nested values by their dotted names, without texts, flags and lists."""
    flat = flatten(values)
    others = (str, bool, list, tuple, type(None))
    return {name: float(flat[name]) for name in flat if not isinstance(flat[name], others)}


class Run:
    """One open run. Logging neither fails nor waits when the store does: see `outbox`.

    Nested names are joined with dots: {"test": {"iou": {"pet": 0.9}}} is test.iou.pet.
    """

    def __init__(self, store: Store, run_id: str, stored: StoredRun | None = None) -> None:
        """`stored`: what the store has of the run, if it is reopened."""
        self.store, self.run_id = store, run_id
        # When its training ended: adding to it later does not make it longer.
        self._ended = stored.info.end_time if stored else None
        self._known = stored.data.metrics if stored else {}
        self._outbox = Outbox(store, run_id, self._ended)

    def log_metrics(
        self, values: Mapping[str, Any], step: int = 0, time: int | None = None
    ) -> None:
        """Log the `numbers` in what the stage measured; of two with one name the newer counts.

        Logged again with the same `time` (milliseconds since 1970) they are still there once; so
        is, without a time, what a reopened run has already: a stage that was killed logs it twice.
        """
        for name, value in numbers(values).items():
            if time is not None or self._known.get(name) != value:
                self._outbox.put(metric=name, value=value, step=step, time=time or now())

    def set_tags(self, values: Mapping[str, Any]) -> None:
        """Set tags; so does a stage with its params that adds to the training's run."""
        for name, value in flatten(values).items():
            self._outbox.put(tag=name, value=str(value))

    def finish(self, checkpoint_sha256: str) -> None:
        """Say which checkpoint came out: by its digest the later stages find this run."""
        self._outbox.put(tag=CHECKPOINT_TAG, value=checkpoint_sha256)

    def log_artifact(self, file: Path, path: str | None = None) -> None:
        """Copy a file into the folder `path` of the run's artifacts; its name says which wins."""
        self._upload(self.store.client.log_artifact, file, path)

    def log_artifacts(self, folder: Path, path: str | None = None) -> None:
        """Copy what a folder holds into the folder `path` of the run's artifacts."""
        self._upload(self.store.client.log_artifacts, folder, path)

    def close(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED; warn if the store does not know it yet."""
        self._outbox.put(status=status, time=self._ended or now())
        if not self._outbox.close():
            _warn(
                f"The MLflow store {self.store.uri} did not take everything: the rest is kept and "
                "goes out with the next stage, or with `make sync`."
            )

    def _upload(self, send: Callable[..., None], source: Path, path: str | None) -> None:
        if not source.exists():
            raise FileNotFoundError(source)
        reason: object = "it does not answer"
        if not self._outbox.failing:  # else do not wait for a server known to be dead
            try:
                return send(self.run_id, str(source), path)
            except Exception as error:  # the stage's outputs are on disk: they are what counts
                reason = error
        return _warn(f"{source} was not copied to the MLflow store {self.store.uri}: {reason}")


def _warn(message: str) -> None:
    console.print(message, style="yellow", markup=False, soft_wrap=True)
