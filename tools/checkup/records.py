"""The MLflow store: in place, complete, where it says it is; nothing unsent, nothing hanging."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock

from pipeline.core.layout import workspace_root
from pipeline.records.addresses import local_path, moved_from
from pipeline.records.leftovers import stores_with_leftovers
from pipeline.records.outbox import is_held
from pipeline.records.registry import list_versions
from pipeline.records.store import Store
from pipeline.records.tracking import TRAINING_TAG, StoredRun, all_runs
from tools.checkup.finding import Finding

NAMED = 3  # runs at most; the others are counted


def check_records(store: Store) -> Iterator[Finding]:
    runs = all_runs(store)
    versions = list_versions(store)
    yield Finding("good", f"{store.uri}: {len(runs)} runs, {len(versions)} versions")
    if old := moved_from(store):
        yield Finding(
            "bad",
            f"the artifacts lie beside {store.uri}, which looks for them in {old}: the folder was "
            "moved or copied",
            "python -m tools.doctor --readdress",
        )
    else:
        yield from _missing_artifacts(runs)
    yield from _unfinished(store, runs)
    for uri in stores_with_leftovers():
        remedy = "make sync" if uri == store.uri else f"MLFLOW_TRACKING_URI={uri} make sync"
        yield Finding("note", f"metrics wait to be sent to {uri}", remedy)


def _missing_artifacts(runs: list[StoredRun]) -> Iterator[Finding]:
    """Of finished runs: a local folder that is gone, with the files it held."""
    gone = [
        run.info.run_id
        for run in runs
        if (path := local_path(run.info.artifact_uri)) and not path.is_dir()
    ]
    if gone:
        yield Finding(
            "bad",
            f"the artifacts of {_count(gone, 'run')} are gone",
            f"bring the folder back from a backup, or: mlflow runs delete --run-id {gone[0]}",
        )
    else:
        yield Finding("good", "the artifacts of every run are where the store says")


def _unfinished(store: Store, runs: list[StoredRun]) -> Iterator[Finding]:
    """Runs that are RUNNING: under way, to be continued, or abandoned by a process that died."""
    states = _training_states()
    for run in runs:
        if run.info.status != "RUNNING":
            continue
        name = f"run {run.info.run_id} ({run.info.run_name})"
        folder = states.get(run.data.tags.get(TRAINING_TAG, ""))
        if folder is None:
            yield Finding(
                "note",
                f"{name} is RUNNING, but no training of this repository is",
                'if no other machine trains it: python -c "from mlflow import MlflowClient; '
                f"MlflowClient('{store.uri}').set_terminated('{run.info.run_id}', 'KILLED')\"",
            )
        elif is_held(FileLock(f"{folder}.lock")):
            yield Finding("good", f"{name} is being trained now")
        else:
            yield Finding(
                "note",
                f"{name} was interrupted; its last whole epoch is in {folder}",
                "run the same command again (dvc repro, or the experiment): it goes on there",
            )


def _training_states() -> Mapping[str, Path]:
    """The folders of trainings that did not end, by the id that their runs are tagged with."""
    ids = (workspace_root() / ".cache" / "training").glob("*/id")
    return {file.read_text(): file.parent for file in ids}


def _count(names: list[str], what: str) -> str:
    shown = ", ".join(name[:8] for name in names[:NAMED])
    more = ", ..." if len(names) > NAMED else ""
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'} ({shown}{more})"
