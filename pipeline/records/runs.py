"""Runs: one for each training, found again by the checkpoint that came out of it."""

import json
import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Param, ViewType
from mlflow.entities import Run as StoredRun
from mlflow.environment_variables import MLFLOW_RUN_CONTEXT
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_PARENT_RUN_ID

from pipeline.core.files import file_digest, read_json, read_rows
from pipeline.core.git import UNKNOWN
from pipeline.core.layout import CHECKPOINT, METRICS, PLOTS, TRAIN_METRICS
from pipeline.core.params import flatten
from pipeline.core.terminal import say
from pipeline.records.database import SQLITE, default_uri
from pipeline.records.lineage import (
    DATA_STAGES,
    EXPERIMENT_TAG,
    EXPERIMENT_VARIABLE,
    changed_params,
    check_copy,
    lineage_tags,
    locked_params,
    log_snapshot,
    read_lock,
)
from pipeline.records.store import Store, open_store, store_errors, store_lock
from pipeline.records.unsent import Outbox, now, send_unsent
from pipeline.records.versions import CHANGED_TAG, CHECKPOINT_TAG

TRAINING_TAG = "training.id"
PAUSED_TAG = "training.paused_after"  # epochs; as long as the training is paused
SYSTEM_METRICS_INTERVAL = 2  # seconds: often enough for a run of a minute
NO_LINK = "PETSEG_NO_LINK"  # set where the store is removed afterwards: no address is printed
MOST = 50_000  # runs: MLflow's limit
NAME_LENGTH = 100  # of what changed, in a run's name; MLflow takes 250 in all
DIGEST_LENGTH = 36  # MLflow's limit for a data set: DVC's "<md5>.dir" just fits
CURVES = PLOTS / "train/curves.csv"  # from train
TABLES = "tables"  # folder of an evaluation's tables among a run's artifacts


class Run:
    """One open run. Logging neither fails nor waits when the store does: see `Outbox`.

    Nested names are joined with dots: {"test": {"iou": {"sky": 0.9}}} is test.iou.sky.
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

        Values logged again with the same `time` (milliseconds since 1970) are kept once. Without a
        time, what a reopened run has already is not logged again: a killed stage logs it twice.
        """
        for name, value in numbers(values).items():
            if time is not None or self._known.get(name) != value:
                self._outbox.put(metric=name, value=value, step=step, time=time or now())

    def set_tags(self, values: Mapping[str, Any]) -> None:
        """Set tags; a stage that adds to the training's run keeps its params in them."""
        for name, value in flatten(values).items():
            self._outbox.put(tag=name, value=str(value))

    def finish(self, checkpoint_sha256: str) -> None:
        """Tag the run with its checkpoint's digest, by which the later stages find it."""
        self._outbox.put(tag=CHECKPOINT_TAG, value=checkpoint_sha256)

    def log_artifact(self, source: Path, path: str) -> None:
        """Copy a file, or the files of a folder, into the folder `path` of the run's artifacts."""
        if not source.exists():
            raise FileNotFoundError(source)
        client, reason = self.store.client, "it does not answer"
        send = client.log_artifacts if source.is_dir() else client.log_artifact
        if not self._outbox.failing:  # else do not wait for a server known to be dead
            try:
                return send(self.run_id, str(source), path)
            except Exception as error:  # the stage's outputs are on disk: they are what counts
                reason = str(error)
        told = f"{source} was not copied to the MLflow store {self.store.name}: {reason}"
        return say(told, style="yellow")

    def close(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED; warn if the store does not know it yet."""
        self._outbox.put(status=status, time=self._ended or now())
        if not self._outbox.close():
            rest = "the rest is kept and goes out with the next stage, or with `make sync`."
            told = f"The MLflow store {self.store.name} did not take everything: {rest}"
            say(told, style="yellow")


@contextmanager
def training_run(
    data: Path, params: Mapping[str, Any], counts: Mapping[str, int], training_id: str
) -> Iterator[Run]:
    """Open a run for a training on the extracted data set `data`; end it with the block.

    `params` are the sections used, by name, as mappings or dataclasses: {"train": ...} is logged
    as train.lr and so on, beside the locked params of the stages that made the data. `counts`
    says how many pairs each list has. An interrupted training, known by its `training_id`,
    continues in its run. The run ends as FINISHED, after an error as FAILED, after Ctrl-C or
    SIGTERM as KILLED. Raises UserError for a store that does not answer before the first step (one
    that dies later does not stop the training), and in a copy whose experiment DVC would lose.
    """
    store = _store_of_stage()
    with store_errors(store.uri):
        stored = find_run(store, training_id, TRAINING_TAG)
        logged = {**locked_params(read_lock(Path())), **flatten(params)}
        tags = {TRAINING_TAG: training_id}
        run_id = _open_run(store, stored, data, logged, tags=tags, counts=counts)
        if stored and PAUSED_TAG in stored.data.tags:
            store.client.delete_tag(run_id, PAUSED_TAG)
        experiment = os.environ.get(EXPERIMENT_VARIABLE)
        if stored and experiment:  # the one that continues it
            store.client.set_tag(run_id, EXPERIMENT_TAG, experiment)
    monitor = SystemMetricsMonitor(
        run_id, SYSTEM_METRICS_INTERVAL, resume_logging=stored is not None, tracking_uri=store.uri
    )
    monitor.start()
    with _closing(Run(store, run_id), before=monitor.finish) as run:
        yield run


@contextmanager
def checkpoint_run(checkpoint_sha256: str, data: Path) -> Iterator[Run]:
    """Reopen the run that trained this checkpoint, to add to it; the newest if several did.

    If none is known, because the checkpoint came out of a cache, a run is opened and tagged
    "restored": with the params that dvc.lock knows, and with curves and files as the training
    left them in the workspace. Ends and raises as `training_run` does.
    """
    store = _store_of_stage()
    # Under a lock: experiments that have the same checkpoint must share its run.
    with store_errors(store.uri), store_lock():
        stored = find_run(store, checkpoint_sha256)
        trained = {} if stored else _training_outputs(checkpoint_sha256)
        params = locked_params(read_lock(Path()), (*DATA_STAGES, "train"))
        tags = {"restored": "true", CHECKPOINT_TAG: checkpoint_sha256}
        run_id = _open_run(store, stored, data, params, tags=tags, counts=trained.get("images", {}))
    with _closing(Run(store, run_id, stored)) as run:
        if trained:
            _log_training(run)
        yield run


def nested_in(run_id: str, tags: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process whose runs shall be nested in this one, with these tags too."""
    return {MLFLOW_RUN_CONTEXT.name: json.dumps({MLFLOW_PARENT_RUN_ID: run_id, **tags})}


def find_run(store: Store, value: str, tag: str = CHECKPOINT_TAG) -> StoredRun | None:
    """The newest run with this value of the tag: by default, the checkpoint's sha256.

    Raises UserError if the store fails.
    """
    query, order = f"tags.`{tag}` = '{value}'", ["attributes.start_time DESC"]
    with store_errors(store.uri):
        runs = store.client.search_runs([store.experiment_id], query, order_by=order, max_results=1)
    return runs[0] if runs else None


def all_runs(store: Store, *, deleted: bool = False) -> list[StoredRun]:
    """Every run of the project's experiment (up to MOST), or every deleted one.

    Raises UserError if the store fails.
    """
    kind = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    with store_errors(store.uri):
        return list(store.client.search_runs([store.experiment_id], "", kind, max_results=MOST))


def run_page(store: Store, run_id: str) -> str:
    """Where people see the run: its address, and the command that serves a database."""
    uri, page = store.name, f"#/experiments/{store.experiment_id}/runs/{run_id}"
    if uri.startswith(SQLITE):
        ui = "make ui" if uri == default_uri() else f"mlflow ui --backend-store-uri {quote(uri)}"
        return f"`{ui}`, then http://127.0.0.1:5000/{page}"
    return f"{uri.rstrip('/')}/{page}"


def fetch_table(store: Store, run_id: str, name: str, folder: Path) -> Path | None:
    """Copy a table of the run's last evaluation into the folder.

    None if the run has no such table, or is gone. Raises UserError if the store fails.
    """
    path = f"{TABLES}/{name}"
    with store_errors(store.uri):
        runs = store.client.search_runs([store.experiment_id], f"attributes.run_id = '{run_id}'")
        tables = store.client.list_artifacts(run_id, TABLES) if runs else []
        if path not in {each.path for each in tables}:
            return None
        return Path(store.client.download_artifacts(run_id, path, str(folder)))


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among nested values by their dotted names, without texts, flags and lists."""
    flat = flatten(values)
    others = (str, bool, list, type(None))
    return {name: float(flat[name]) for name in flat if not isinstance(flat[name], others)}


def _store_of_stage() -> Store:
    """The store, with what it missed; UserError in a copy whose experiment DVC would lose."""
    check_copy()
    store = open_store()
    send_unsent(store)
    return store


def _open_run(
    store: Store,
    stored: StoredRun | None,
    data: Path,
    params: Mapping[str, Any],
    *,
    tags: Mapping[str, str],
    counts: Mapping[str, int],
) -> str:
    """Continue the stored run, else open a new one; return its id.

    counts: pairs by list, shown with the data set.
    """
    run_id = stored.info.run_id if stored else None
    if stored is None or not stored.data.params:  # or its process was killed at the start
        lineage = lineage_tags(data, Path())
        if run_id is None:
            # What the training does not read is no change, and neither is where its archives are.
            read = params.keys() - {"download.places"}
            changed = {k: v for k, v in changed_params(Path()).items() if k in read}
            changes = ", ".join(f"{key}={value}" for key, value in changed.items())
            every = resolve_tags({**lineage, **tags, **({CHANGED_TAG: changes} if changes else {})})
            name = _run_name(lineage, params, changes)
            run_id = store.client.create_run(store.experiment_id, None, every, name).info.run_id
        log_snapshot(store, run_id, environment=TRAINING_TAG in tags)  # else it trained elsewhere
        store.client.log_inputs(run_id, [_data_input(data, lineage, counts)])
        # The params come last: a run that has some lacks nothing else.
        values = [Param(key, str(value)) for key, value in params.items()]
        store.client.log_batch(run_id, params=values)
    assert run_id is not None
    store.client.update_run(run_id, status="RUNNING")
    return run_id


def _training_outputs(checkpoint_sha256: str) -> dict[str, Any]:
    """The content of train.json, if checkpoint and curves in the workspace are this one's."""
    own = CHECKPOINT.is_file() and file_digest(CHECKPOINT) == checkpoint_sha256
    return read_json(TRAIN_METRICS) if own and CURVES.is_file() else {}


def _log_training(run: Run) -> None:
    """Log what the training would have: the curves under its names, and its files."""
    for row in read_rows(CURVES):
        step = int(row.pop("epoch"))
        # A class that no validation mask has is empty; the name of one may hold "_" itself.
        values = {
            column.replace("_iou_", ".iou.", 1).replace("_", ".", "_iou_" not in column): text
            for column, text in row.items()
        }
        run.log_metrics({name: float(text) for name, text in values.items() if text}, step)
    run.log_artifact(TRAIN_METRICS, METRICS.name)
    run.log_artifact(CURVES.parent, "plots/train")


def _run_name(lineage: Mapping[str, str], params: Mapping[str, Any], changes: str) -> str:
    """The DVC experiment's and what it changed: "try1 train.lr=0.001".

    Outside of experiments, what differs from the commit's params, with data set, encoder and
    commit: "train.lr=0.001 sample-plain-1a2b3c4", with "+" when the source differs, too.
    """
    changes = textwrap.shorten(changes, NAME_LENGTH, placeholder=" ...")
    if experiment := lineage.get(EXPERIMENT_TAG):
        return f"{experiment} {changes}".strip()
    dirty = "+" if lineage["git.dirty"] == "true" else ""
    encoder = str(params.get("model.encoder", UNKNOWN))
    parts = (lineage["data.name"], encoder, f"{lineage['git.commit'][:7]}{dirty}")
    by_commit = "-".join(part for part in parts if part != UNKNOWN)
    return f"{changes} {by_commit or 'train'}".strip()


def _data_input(data: Path, lineage: Mapping[str, str], counts: Mapping[str, int]) -> DatasetInput:
    known = [lineage[key] for key in ("data.digest", "data.index_md5") if lineage[key] != UNKNOWN]
    digest = [*known, UNKNOWN][0][:DIGEST_LENGTH]
    source, profile = json.dumps({"uri": data.as_posix()}), json.dumps(dict(counts))
    dataset = Dataset(lineage["data.name"], digest, "local", source, profile=profile)
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, "training")])


@contextmanager
def _closing(run: Run, before: Callable[[], None] = lambda: None) -> Iterator[Run]:
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        before()
        run.close(status)
        if NO_LINK not in os.environ:
            say(f"MLflow run {run.run_id}: {run_page(run.store, run.run_id)}")
