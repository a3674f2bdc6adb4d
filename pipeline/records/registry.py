"""Versions of the model: the exported files that were registered, and the aliases on them."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import LoggedModel, LoggedModelOutput, Metric
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from pipeline.core.files import file_digest
from pipeline.core.git import UNKNOWN
from pipeline.records.model_files import int8_beside
from pipeline.records.model_folder import INT8_FILE, pack_model
from pipeline.records.origin_files import log_export_origin
from pipeline.records.run import CHECKPOINT_TAG, Run, numbers
from pipeline.records.store import Store, store_errors, store_lock, unless_it_exists

MODEL_NAME = "pet-segmentation"
ONNX_TAG = "onnx.sha256"
INT8_TAG = "int8.sha256"
INT8_OFFERED_TAG = "int8.offered"  # "true" where the INT8 file is as good and meant to be used
RUN_TAG = "run.id"
TEST_SCORES = "test."

# What of the run's tags a version repeats, so that it explains itself.
LINEAGE = (CHECKPOINT_TAG, "git.commit", "git.dirty", "code.digest", "restored", "dvc.exp_name")
DATA_LINEAGE = ("data.name", "data.digest", "data.index_md5")


@dataclass(frozen=True)
class Version:
    """One registered version: its number, tags, aliases, run and day of registration."""

    number: int
    tags: Mapping[str, str]
    aliases: tuple[str, ...]
    run_id: str
    created: datetime


def register_model(run: Run, onnx_file: Path, scores: Mapping[str, Any]) -> int:
    """Register the exported model under its run, once for each content; return the version.

    The INT8 file beside it, if there is one, goes into the version too. The version is tagged with
    digests, lineage, scores (nested: {"test": {"miou": ...}} is test.miou) and whether INT8 is
    offered (`scores["export"]["int8"]["offered"]`); of an already registered file the scores and
    the INT8 file are brought up to date. No alias moves. Raises UserError if the store fails.
    """
    tags = {name: str(value) for name, value in numbers(scores).items()}
    tags |= {ONNX_TAG: file_digest(onnx_file), **_int8_tags(int8_beside(onnx_file), scores)}
    with store_errors(run.store.uri), store_lock():
        tags = {**_origin(run), **tags}
        known = find_version(run.store, tags[ONNX_TAG])
        if known is None:
            tags |= log_export_origin(run.store, run.run_id, tags[ONNX_TAG])
            return _keep_first(run.store, _create_version(run, onnx_file, tags), tags[ONNX_TAG])
        if known.tags.get(INT8_TAG) != tags.get(INT8_TAG, known.tags.get(INT8_TAG)):
            tags |= log_export_origin(run.store, run.run_id, tags[ONNX_TAG])
            _replace_int8(run.store, known, int8_beside(onnx_file))
        for key, value in tags.items():
            run.store.client.set_model_version_tag(MODEL_NAME, str(known.number), key, value)
        return known.number


def find_version(store: Store, onnx_sha256: str) -> Version | None:
    """The version that holds a file with this digest."""
    versions = list_versions(store)
    return next((each for each in versions if each.tags.get(ONNX_TAG) == onnx_sha256), None)


def list_versions(store: Store) -> list[Version]:
    """All versions of the model, the newest first."""
    found = store.client.search_model_versions(f"name = '{MODEL_NAME}'")
    # A search leaves the aliases out.
    aliases = store.client.get_registered_model(MODEL_NAME).aliases if found else {}
    versions = [
        Version(
            int(each.version),
            each.tags,
            tuple(sorted(name for name in aliases if int(aliases[name]) == int(each.version))),
            each.tags.get(RUN_TAG, UNKNOWN),
            datetime.fromtimestamp(each.creation_timestamp / 1000),
        )
        for each in found
    ]
    return sorted(versions, key=lambda each: each.number, reverse=True)


def _origin(run: Run) -> dict[str, str]:
    """The run's lineage: what trained the model, not what happens to be checked out now."""
    tags = run.store.client.get_run(run.run_id).data.tags
    known = {key: tags[key] for key in (*LINEAGE, *DATA_LINEAGE) if key in tags}
    return {**known, RUN_TAG: run.run_id}


def _int8_tags(int8_file: Path, scores: Mapping[str, Any]) -> dict[str, str]:
    if not int8_file.is_file():
        return {}
    offered = scores.get("export", {}).get("int8", {}).get("offered", False)
    return {INT8_TAG: file_digest(int8_file), INT8_OFFERED_TAG: "true" if offered else "false"}


def _replace_int8(store: Store, version: Version, int8_file: Path) -> None:
    """Put an INT8 file into a version whose model was registered before, without it."""
    place = store.client.get_model_version_download_uri(MODEL_NAME, str(version.number))
    with TemporaryDirectory() as folder:
        named = shutil.copyfile(int8_file, Path(folder) / INT8_FILE)
        get_artifact_repository(place, tracking_uri=store.uri).log_artifact(str(named))


def _create_version(run: Run, onnx_file: Path, tags: dict[str, str]) -> int:
    client = run.store.client
    model = _begun_before(run, tags[ONNX_TAG]) or client.create_logged_model(
        run.store.experiment_id, MODEL_NAME, run.run_id, {ONNX_TAG: tags[ONNX_TAG]}
    )
    with TemporaryDirectory() as folder:
        packed = Path(folder) / "model"
        pack_model(onnx_file, packed, model)
        client.log_model_artifacts(model.model_id, str(packed))
    client.finalize_logged_model(model.model_id, "READY")
    outputs = client.get_run(run.run_id).outputs
    if model.model_id not in [each.model_id for each in (outputs.model_outputs if outputs else ())]:
        client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step=0)])
    _link_scores(run, model, tags)
    with unless_it_exists():
        client.create_registered_model(MODEL_NAME)
    # By its place: models:/ID would be looked up in whatever store is mlflow's global one.
    version = client.create_model_version(
        MODEL_NAME, model.artifact_location, run.run_id, tags, model_id=model.model_id
    )
    return int(version.version)


def _begun_before(run: Run, onnx_sha256: str) -> LoggedModel | None:
    """What a process that was killed before it made the version has left of it."""
    found = run.store.client.search_logged_models(
        [run.store.experiment_id],
        filter_string=f"source_run_id = '{run.run_id}' AND tags.`{ONNX_TAG}` = '{onnx_sha256}'",
    )
    return found[0] if found else None


def _keep_first(store: Store, number: int, onnx_sha256: str) -> int:
    """Of one file's versions the oldest: another machine may have registered it meanwhile."""
    same = [each.number for each in list_versions(store) if each.tags.get(ONNX_TAG) == onnx_sha256]
    if min(same) < number:
        store.client.delete_model_version(MODEL_NAME, str(number))
    return min(same)


def _link_scores(run: Run, model: LoggedModel, tags: Mapping[str, str]) -> None:
    """Log the test scores once more, as the model's on its data set: MLflow shows them with it.

    At the time of the model, so that they are there once however often that is begun.
    """
    inputs = run.store.client.get_run(run.run_id).inputs
    assert inputs is not None, "every run is created with its data set"
    data = inputs.dataset_inputs[0]
    link = {"dataset_name": data.dataset.name, "dataset_digest": data.dataset.digest}
    scores = [
        Metric(name, float(tags[name]), model.creation_timestamp, 0, model.model_id, **link)
        for name in tags
        if name.startswith(TEST_SCORES)
    ]
    run.store.client.log_batch(run.run_id, scores)
