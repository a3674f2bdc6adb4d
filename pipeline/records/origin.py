"""What the store knows of a version or a run that is to be rebuilt."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import Run as StoredRun
from mlflow.exceptions import MlflowException

from pipeline.core.git import UNKNOWN
from pipeline.core.terminal import UserError
from pipeline.records.named import find_named
from pipeline.records.origin_files import (
    ENVIRONMENT,
    ORIGIN,
    PARAMS,
    PATCH,
    SOURCES,
    export_folder,
)
from pipeline.records.registry import ONNX_TAG, Version, list_versions
from pipeline.records.run import CHECKPOINT_TAG
from pipeline.records.store import Store, store_errors

VERSION = re.compile(r"\d{1,6}|@[\w.-]+")
LATER_STAGES = ("evaluate.", "export.")  # their params are tags of the run


@dataclass(frozen=True)
class Origin:
    """Where a model came from, and what it was; what is not known is empty or "unknown"."""

    name: str  # for people
    commit: str
    patch: bytes | None
    params_file: str | None  # params.yaml as it was
    params: Mapping[str, str]  # as the run recorded them: flat, as text
    sources: Mapping[str, str]  # sha256 by file
    environment: Mapping[str, Mapping[str, str]]  # see `describe_environment`
    tags: Mapping[str, str]  # the run's and the version's, and the run's test.miou


def find_origin(store: Store, reference: str) -> Origin:
    """Look up a version by number ("3") or alias ("@champion"), or a run by (the start of) its id.

    A run that was registered stands for its newest version. Raises UserError if there is no such
    version or run, it has no checkpoint, or what it takes to rebuild it was not kept.
    """
    with store_errors(store.uri), TemporaryDirectory() as folder:
        version: Version | None
        versions = list_versions(store)
        if VERSION.fullmatch(reference):
            version = find_named(versions, reference)
            run = _get_run(store, version)
        else:
            run = _find_run(store, reference)
            version = next((each for each in versions if each.run_id == run.info.run_id), None)
        return _origin(run, version, _fetch(store, run.info.run_id, Path(folder)))


def _get_run(store: Store, version: Version) -> StoredRun:
    try:
        return store.client.get_run(version.run_id)
    except MlflowException:
        raise UserError(
            f"version {version.number} cannot be rebuilt: its run {version.run_id}, which knows"
            " the params, is gone"
        ) from None


def _find_run(store: Store, start: str) -> StoredRun:
    runs = store.client.search_runs([store.experiment_id], max_results=50_000)
    found = [run for run in runs if run.info.run_id.startswith(start)]
    if len(found) != 1:
        problem = f"{len(found)} runs begin" if found else "no run begins"
        raise UserError(
            f"{problem} with {start!r}; accepted is a version's number, an alias (@champion), or"
            " the id of a run: see `make models` and `make ui`"
        )
    return found[0]


def _fetch(store: Store, run_id: str, folder: Path) -> Path:
    """The files that the run kept of its origin; an empty folder if there are none."""
    if store.client.list_artifacts(run_id, ORIGIN):
        store.client.download_artifacts(run_id, ORIGIN, str(folder))
    return folder / ORIGIN


def _origin(run: StoredRun, version: Version | None, files: Path) -> Origin:
    tags, params = {**run.data.tags}, {**run.data.params}
    if "test.miou" in run.data.metrics:
        tags["test.miou"] = str(run.data.metrics["test.miou"])
    tags |= version.tags if version else {}
    name = f"version {version.number}" if version else f"run {run.info.run_id}"
    own = files / Path(export_folder(tags.get(ONNX_TAG, UNKNOWN))).name
    if own.is_dir():  # the code may have changed between training and export
        tags |= {"git.commit": tags["export.git.commit"]}
        tags |= {"code.digest": tags["export.code.digest"]}
    else:
        params |= {key: tags[key] for key in run.data.tags if key.startswith(LATER_STAGES)}
    kept = own if own.is_dir() else files
    patch = kept / PATCH
    dirty = tags.get("git.dirty") == "true" and kept is files
    _check(name, tags, lost_patch=dirty and not patch.is_file())
    return Origin(
        name,
        tags["git.commit"],
        patch.read_bytes() if patch.is_file() else None,
        (kept / PARAMS).read_text() if (kept / PARAMS).is_file() else None,
        params,
        _read_json(kept / SOURCES),
        _read_json(files / ENVIRONMENT),
        tags,
    )


def _check(name: str, tags: Mapping[str, str], lost_patch: bool) -> None:
    if CHECKPOINT_TAG not in tags:
        raise UserError(f"{name} has no checkpoint: its training did not end")
    if tags.get("git.commit", UNKNOWN) == UNKNOWN:
        raise UserError(f"{name} cannot be rebuilt: it was made without git, its commit is unknown")
    if lost_patch:
        raise UserError(
            f"{name} cannot be rebuilt: its source differed from commit {tags['git.commit'][:7]},"
            f" and the patch is not among its artifacts ({ORIGIN}/{PATCH})"
        )


def _read_json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.is_file() else {}
