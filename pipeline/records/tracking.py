"""Runs: one for each training, found again by the checkpoint that came out of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.entities import Run as StoredRun
from mlflow.entities import ViewType
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from pipeline.core.params import flatten
from pipeline.core.terminal import console
from pipeline.records import lineage
from pipeline.records.leftovers import send_leftovers
from pipeline.records.new_run import create_run, describe_run
from pipeline.records.origin_files import log_environment
from pipeline.records.run import CHECKPOINT_TAG, Run
from pipeline.records.store import SQLITE, Store, default_uri, open_store, store_errors, store_lock

RESTORED_TAG = "restored"
TRAINING_TAG = "training.id"
SYSTEM_METRICS_INTERVAL = 2  # seconds: often enough for a run of a minute


@contextmanager
def training_run(
    data: Path, params: Mapping[str, Any], counts: Mapping[str, int], training_id: str
) -> Iterator[Run]:
    """Open a run for a training on the extracted data set `data`; end it with the block.

    `params` are the sections used, by name, as mappings or dataclasses: {"train": ...} is logged
    as train.lr and so on, beside the locked params of the stages that made the data. `counts`
    says how many pairs each list has. A training that goes on after an interruption, which its
    `training_id` says, goes on in its run. The run ends as FINISHED, after an error as FAILED,
    after Ctrl-C as KILLED. Raises UserError for a store that does not answer before the first
    step; one that dies later does not stop the training.
    """
    store = open_store()
    send_leftovers(store)
    with store_errors(store.uri):
        stored = _find_run(store, TRAINING_TAG, training_id)
        locked = lineage.locked_params(lineage.read_lock(Path()))
        logged = {**locked, **flatten(params)}
        tags = {TRAINING_TAG: training_id}
        run_id = _open_run(store, stored, data, logged, tags=tags, counts=counts)
    monitor = SystemMetricsMonitor(
        run_id,
        SYSTEM_METRICS_INTERVAL,
        resume_logging=stored is not None,
        tracking_uri=store.uri,
    )
    monitor.start()
    with _closing(Run(store, run_id), before=monitor.finish) as run:
        yield run


@contextmanager
def checkpoint_run(checkpoint_sha256: str, data: Path) -> Iterator[Run]:
    """Reopen the run that trained this checkpoint, to add to it; the newest if several did.

    Where none is known, because the checkpoint came out of a cache, one is opened and tagged
    "restored", with the params that dvc.lock knows. Ends and raises as `training_run` does.
    """
    store = open_store()
    send_leftovers(store)
    # Under a lock: experiments that share a checkpoint shall share its run.
    with store_errors(store.uri), store_lock():
        stored = find_run(store, checkpoint_sha256)
        stages = (*lineage.DATA_STAGES, "train")
        params = lineage.locked_params(lineage.read_lock(Path()), stages)
        tags = {RESTORED_TAG: "true", CHECKPOINT_TAG: checkpoint_sha256}
        run_id = _open_run(store, stored, data, params, tags=tags, counts=None)
    with _closing(Run(store, run_id, stored)) as run:
        yield run


def find_run(store: Store, checkpoint_sha256: str) -> StoredRun | None:
    """The newest run that this checkpoint came out of."""
    return _find_run(store, CHECKPOINT_TAG, checkpoint_sha256)


def all_runs(store: Store, *, deleted: bool = False) -> list[StoredRun]:
    """Every run of the project's experiment, or every deleted one, the newest first."""
    kind = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    page = store.client.search_runs([store.experiment_id], run_view_type=kind)
    found = list(page)
    while page.token:
        page = store.client.search_runs(
            [store.experiment_id], run_view_type=kind, page_token=page.token
        )
        found += page
    return found


def _find_run(store: Store, tag: str, value: str) -> StoredRun | None:
    runs = store.client.search_runs(
        [store.experiment_id],
        filter_string=f"tags.`{tag}` = '{value}'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    return runs[0] if runs else None


def _open_run(
    store: Store,
    stored: StoredRun | None,
    data: Path,
    params: Mapping[str, Any],
    *,
    tags: Mapping[str, str],
    counts: Mapping[str, int] | None,
) -> str:
    """Go on in the stored run, else in a new one; return its id.

    counts: as of `training_run`; None if this process does not train.
    """
    run_id = stored.info.run_id if stored else create_run(store, data, params, tags)
    if stored is None or not stored.data.params:  # or its process was killed at the start
        if counts is not None:
            log_environment(store, run_id)
        describe_run(store, run_id, data, params, counts or {})
    store.client.update_run(run_id, status="RUNNING")
    return run_id


@contextmanager
def _closing(run: Run, before: Callable[[], None] = lambda: None) -> Iterator[Run]:
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        before()
        run.close(status)
        console.print(_where(run), markup=False, highlight=False, soft_wrap=True)


def _where(run: Run) -> str:
    """How to look at the run."""
    store = run.store
    if store.uri == default_uri():
        return f"MLflow run {run.run_id}: see it with `make ui`"
    if store.uri.startswith(SQLITE):
        return f"MLflow run {run.run_id}: see it with `mlflow ui --backend-store-uri {store.uri}`"
    return f"MLflow run: {store.uri}/#/experiments/{store.experiment_id}/runs/{run.run_id}"
