"""What the store knows of a version or a run that is to be rebuilt."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.entities import Run as StoredRun

from pipeline.core.files import read_json
from pipeline.core.git import UNKNOWN
from pipeline.core.layout import PARAMS
from pipeline.core.terminal import UserError
from pipeline.records.lineage import ENVIRONMENT, FOLDER, PATCH, SOURCES, export_folder
from pipeline.records.runs import all_runs
from pipeline.records.store import Store, store_errors
from pipeline.records.versions import (
    CHECKPOINT_TAG,
    MIOU_TAG,
    Version,
    find_named,
    list_versions,
)

VERSION = re.compile(r"\d{1,6}|@[\w.-]+")


@dataclass(frozen=True)
class Provenance:
    """Where a model came from, and its digests; what is not known is empty or "unknown"."""

    name: str  # for people
    commit: str
    patch: bytes | None
    params_file: str | None  # the text of params.yaml then
    params: Mapping[str, str]  # as the run recorded them: flat, as text
    sources: Mapping[str, str]  # sha256 by file
    environment: Mapping[str, Mapping[str, str]]  # see `describe_environment`
    tags: Mapping[str, str]  # the run's and the version's, and the run's test.miou


def find_provenance(store: Store, reference: str) -> Provenance:
    """Look up a version by number ("3") or alias ("@champion"), or a run by (the start of) its id.

    A run that was registered stands for its newest version. Raises UserError if there is no such
    version or run, it has no checkpoint, or what it takes to rebuild it was not kept.
    """
    with store_errors(store.uri), TemporaryDirectory() as folder:
        versions = list_versions(store.uri)
        if VERSION.fullmatch(reference):
            versions = [find_named(versions, reference)]
            run = store.client.get_run(versions[0].run_id)
        else:
            found = [run for run in all_runs(store) if run.info.run_id.startswith(reference)]
            if len(found) != 1:
                problem = f"{len(found)} runs begin" if found else "no run begins"
                raise UserError(
                    f"{problem} with {reference!r}; accepted is a version's number, an alias "
                    "(@champion), or the id of a run: see `make models` and `make ui`"
                )
            [run] = found
        version = next((each for each in versions if each.run_id == run.info.run_id), None)
        if store.client.list_artifacts(run.info.run_id, FOLDER):
            store.client.download_artifacts(run.info.run_id, FOLDER, folder)
        return _provenance(run, version, Path(folder) / FOLDER)


def _provenance(run: StoredRun, version: Version | None, files: Path) -> Provenance:
    """files: the run's snapshots; the version's own is in a folder there."""
    tags = {**run.data.tags}
    if MIOU_TAG in run.data.metrics:
        tags[MIOU_TAG] = str(run.data.metrics[MIOU_TAG])
    tags |= version.tags if version else {}
    name = f"version {version.number}" if version else f"run {run.info.run_id}"
    kept, dirty = files, tags.get("git.dirty") == "true"
    own = files.parent / export_folder(tags)
    if own.is_dir():  # the code may have changed between training and export
        tags |= {key: tags[f"export.{key}"] for key in ("git.commit", "code.digest")}
        kept, dirty = own, False
    patch, params_file = kept / PATCH, kept / PARAMS
    if CHECKPOINT_TAG not in tags:
        raise UserError(f"{name} has no checkpoint: its training did not end")
    if tags.get("git.commit", UNKNOWN) == UNKNOWN:
        raise UserError(f"{name} cannot be rebuilt: it was made without git, its commit is unknown")
    if dirty and not patch.is_file():
        changed = f"its source differed from commit {tags['git.commit'][:7]}"
        lost = f"the patch is not among its artifacts ({FOLDER}/{PATCH})"
        raise UserError(f"{name} cannot be rebuilt: {changed}, and {lost}")
    return Provenance(
        name,
        tags["git.commit"],
        (patch.read_bytes() or None) if patch.is_file() else None,
        params_file.read_text(encoding="utf-8") if params_file.is_file() else None,
        run.data.params,
        read_json(kept / SOURCES),
        read_json(files / ENVIRONMENT),
        tags,
    )
