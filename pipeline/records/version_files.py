"""The files of a registered version: in place where the store is local, else fetched once."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from pipeline.core.files import atomic_file, file_digest
from pipeline.core.layout import workspace_root
from pipeline.core.terminal import UserError
from pipeline.records.gate import CHAMPION
from pipeline.records.model_files import ACCEPTED, ModelFile
from pipeline.records.model_folder import FP32_FILE, INT8_FILE
from pipeline.records.named import alias_names, find_named
from pipeline.records.registry import (
    INT8_OFFERED_TAG,
    INT8_TAG,
    MODEL_NAME,
    ONNX_TAG,
    Version,
    list_versions,
)
from pipeline.records.store import Store, configured_uri, is_new, open_store, store_errors

REFERENCE = re.compile(rf"(?:models:/{MODEL_NAME}(?:/(?=\d)|(?=@)))?(\d+|@[\w.-]+)")


def find_version_file(reference: str, precision: str) -> ModelFile:
    """See `find_model`: the version by number or alias."""
    if not (match := REFERENCE.fullmatch(reference)):
        raise UserError(f"{reference!r} names no model: accepted is {ACCEPTED}")
    store = open_store()
    return _model_file(store, find_named(_versions(store), match[1]), precision)


def find_champion(precision: str) -> ModelFile | None:
    """See `find_model`: the champion, if there is one."""
    if is_new(configured_uri()):  # who only asks should not wait for tables
        return None
    store = open_store()
    champion = next((each for each in _versions(store) if CHAMPION in each.aliases), None)
    return _model_file(store, champion, precision) if champion else None


def _versions(store: Store) -> list[Version]:
    with store_errors(store.uri):
        return list_versions(store)


def _model_file(store: Store, version: Version, precision: str) -> ModelFile:
    source = " ".join(("version", str(version.number), *alias_names(version)))
    offered = version.tags.get(INT8_OFFERED_TAG) == "true"
    if precision == "int8" and INT8_TAG not in version.tags:
        raise UserError(f"{source} has no INT8 file: it was registered without one; use fp32")
    if precision == "int8" or (precision == "auto" and offered):
        name, digest = INT8_FILE, version.tags[INT8_TAG]
    else:
        name, digest = FP32_FILE, version.tags[ONNX_TAG]
    with store_errors(store.uri):
        place = store.client.get_model_version_download_uri(MODEL_NAME, str(version.number))
    if is_local_uri(place, is_tracking_or_registry_uri=False):
        file = Path(local_file_uri_to_path(place)) / name
        _verify(file, digest, source)
    else:
        file = workspace_root() / ".cache" / "models" / version.tags[ONNX_TAG] / name
        if not file.is_file() or file_digest(file) != digest:
            _fetch(store, f"{place}/{name}", file, digest, source)
    return ModelFile(file, source, version.tags)


def _fetch(store: Store, place: str, file: Path, digest: str, source: str) -> None:
    # Fetched into a folder of its own: the file appears whole and verified, or not at all.
    with TemporaryDirectory() as folder, atomic_file(file) as temporary:
        try:
            fetched = Path(download_artifacts(place, dst_path=folder, tracking_uri=store.uri))
        except (MlflowException, OSError) as error:
            raise UserError(
                f"{source}: {place} was not fetched from {store.uri}: {error}"
            ) from None
        _verify(fetched, digest, source)
        temporary.write_bytes(fetched.read_bytes())


def _verify(file: Path, digest: str, source: str) -> None:
    if not file.is_file():
        raise UserError(f"{source}: {file} is missing: its artifacts were deleted or moved")
    if file_digest(file) != digest:
        raise UserError(f"{source}: {file} is not the file that was registered: sha256 differs")
