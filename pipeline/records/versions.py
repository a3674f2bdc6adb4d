"""The registered versions of the model: which there are, and which one a name means."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.core.git import UNKNOWN
from pipeline.core.layout import PARAMS
from pipeline.core.params import ParamsError, check_values, load_yaml
from pipeline.core.terminal import UserError
from pipeline.records.database import Row, configured_uri, local_path, read_versions

# Of the registered model. MLflow refuses / : . % and quotation marks.
ModelName = Annotated[str, Field(pattern="^[A-Za-z0-9_-]+( [A-Za-z0-9_-]+)*$", max_length=200)]
DEFAULT_NAME = "pet-segmentation"
CHALLENGER, CHAMPION = "challenger", "champion"  # aliases
# In a version; the first is mlflow's name. The last is what it saw at its evaluation.
FP32_FILE, INT8_FILE, REFERENCE_FILE = "model.onnx", "model.int8.onnx", "model.reference.json"

# Tags of a version.
CHECKPOINT_TAG = "checkpoint.sha256"  # of a run too
ONNX_TAG = "onnx.sha256"
INT8_TAG = "int8.sha256"
REFERENCE_TAG = "reference.sha256"
FILE_TAGS = {FP32_FILE: ONNX_TAG, INT8_FILE: INT8_TAG, REFERENCE_FILE: REFERENCE_TAG}
INT8_OFFERED_TAG = "int8.offered"  # "true" where the INT8 file is as good and meant to be used
RUN_TAG = "run.id"
DATA_NAME_TAG, DATA_TAG = "data.name", "data.index_md5"
MIOU_TAG = "test.miou"
CHANGED_TAG = "params.changed"  # of a run too: the params that differ from the commit's


def reference_beside(model: Path) -> Path:
    """What an exported model saw at its evaluation: model.reference.json beside model.onnx."""
    return model.with_suffix(".reference.json")


@dataclass(frozen=True)
class Version:
    """One registered version of the model."""

    number: int
    tags: Mapping[str, str]
    aliases: tuple[str, ...]  # sorted
    created: datetime
    place: str  # address of the folder that holds its files

    @property
    def run_id(self) -> str:
        """The run it was exported in, or "unknown"."""
        return self.tags.get(RUN_TAG, UNKNOWN)

    @property
    def names(self) -> list[str]:
        """What people may call it: ["3", "@challenger", "@champion"]."""
        return [str(self.number), *(f"@{alias}" for alias in self.aliases)]

    @property
    def local_files(self) -> dict[Path, str]:
        """Its files with their sha256; none if the store keeps them on another machine."""
        folder, pairs = local_path(self.place), FILE_TAGS.items()
        return {folder / name: self.tags[tag] for name, tag in pairs if folder and tag in self.tags}

    def score(self, tag: str) -> float:
        return number_in(self.tags, tag)


def number_in(tags: Mapping[str, str], tag: str) -> float:
    """The number in a tag; NaN without one: a registry's members may write any text there."""
    try:
        return float(tags.get(tag, "nan"))
    except ValueError:
        return math.nan


def model_name() -> str:
    """The registered model's name, export.model_name in params.yaml. Raises ParamsError.

    DEFAULT_NAME without that file or that key, as where petseg is installed.
    """
    return _named_in(PARAMS.read_bytes()) if PARAMS.is_file() else DEFAULT_NAME


@functools.lru_cache(maxsize=1)  # one look at the registry asks several times
def _named_in(params: bytes) -> str:
    try:
        sections = load_yaml(params.decode())
    except (ParamsError, UnicodeDecodeError) as error:
        raise ParamsError(f"{PARAMS} is not valid YAML: {error}") from None
    export = sections.get("export") if isinstance(sections, dict) else None
    name = export.get("model_name", DEFAULT_NAME) if isinstance(export, dict) else DEFAULT_NAME
    return check_values(name, ModelName, PARAMS, "export.model_name")


def list_versions(uri: str | None = None) -> list[Version]:
    """All versions in the store at `uri`, else at `configured_uri()`, the newest first.

    An SQLite store is read without mlflow, and not created. Raises UserError if the store fails.
    """
    uri = uri or configured_uri()
    rows = read_versions(uri, model_name())
    rows = _ask_client(uri) if rows is None else rows
    versions = []
    for number, ms, place, tags, aliases in sorted(rows, key=lambda row: row[0], reverse=True):
        created = datetime.fromtimestamp(ms / 1000)
        versions.append(Version(number, tags, tuple(sorted(aliases)), created, place or ""))
    return versions


def find_served(versions: Sequence[Version], digest: str) -> Version | None:
    """The version one of whose models has a sha256 that begins with `digest`.

    Of two with one float32 model and different INT8 ones it is the champion, or else the newest.
    """
    for version in sorted(versions, key=lambda each: CHAMPION not in each.aliases):
        known = (version.tags.get(tag, "")[: len(digest)] for tag in (ONNX_TAG, INT8_TAG))
        if digest and digest in known:
            return version
    return None


def saw_only_drawings(tags: Mapping[str, str]) -> bool:
    """Whether a version with these tags was trained on the built-in sample."""
    return tags.get(DATA_NAME_TAG) == "sample"


def find_champion(versions: Sequence[Version]) -> Version | None:
    return next((each for each in versions if CHAMPION in each.aliases), None)


def find_named(versions: Sequence[Version], name: str) -> Version:
    """The version called "3" or "@champion". Raises UserError, which says what there is."""
    for version in versions:
        if name in version.names:
            return version
    known = ", ".join(" ".join(each.names) for each in reversed(versions))
    raise UserError(
        f"{model_name()} has no version {name}; registered: {known or 'none, run `make` first'}"
    )


def _ask_client(uri: str) -> list[Row]:
    # It imports mlflow, which takes seconds: only for a store that cannot be read without.
    from pipeline.records.store import connect, store_errors  # noqa: PLC0415

    with store_errors(uri):
        client = connect(uri)
        found = client.search_model_versions(f"name = '{model_name()}'")
        # A search leaves the aliases out.
        aliases = client.get_registered_model(model_name()).aliases if found else {}
    rows = []
    for each in found:
        own = [alias for alias in aliases if int(aliases[alias]) == int(each.version)]
        rows.append((int(each.version), each.creation_timestamp, each.source, each.tags, own))
    return rows
