"""Versions of the model: the exported files that were registered, and the aliases on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException

from pipeline.files import file_digest
from pipeline.records.lineage import UNKNOWN
from pipeline.records.model_folder import pack_model
from pipeline.records.run import CHECKPOINT_TAG, Run, numbers
from pipeline.records.store import Store, store_errors, store_lock

MODEL_NAME = "pet-segmentation"
ONNX_TAG = "onnx.sha256"
RUN_TAG = "run.id"

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

    The version is tagged with digests, lineage and scores (nested: {"test": {"miou": ...}} is
    test.miou); of an already registered file the scores are brought up to date. No alias moves.
    Raises UserError if the store fails.
    """
    digest = file_digest(onnx_file)
    measured = {name: str(value) for name, value in numbers(scores).items()}
    with store_errors(run.store.uri), store_lock():
        tags = {**_origin(run), ONNX_TAG: digest, **measured}
        known = find_version(run.store, digest)
        if known is None:
            return _create_version(run, onnx_file, tags)
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


def _create_version(run: Run, onnx_file: Path, tags: dict[str, str]) -> int:
    client = run.store.client
    model = client.create_logged_model(
        run.store.experiment_id, MODEL_NAME, run.run_id, {ONNX_TAG: tags[ONNX_TAG]}
    )
    with TemporaryDirectory() as folder:
        packed = Path(folder) / "model"
        pack_model(onnx_file, packed, model)
        client.log_model_artifacts(model.model_id, str(packed))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step=0)])
    _ensure_registered_model(run.store)
    # By its place: models:/ID would be looked up in whatever store is mlflow's global one.
    version = client.create_model_version(
        MODEL_NAME, model.artifact_location, run.run_id, tags, model_id=model.model_id
    )
    return int(version.version)


def _ensure_registered_model(store: Store) -> None:
    try:
        store.client.create_registered_model(MODEL_NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
