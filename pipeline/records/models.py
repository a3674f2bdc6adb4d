"""Which file a reference to a model means: on disk or of a version, in float32 or INT8."""

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.files import atomic_file, file_digest, read_json
from pipeline.core.layout import EXPORT_METRICS, FP32, INT8, ONNX, cache_folder, int8_beside
from pipeline.core.terminal import UserError
from pipeline.records.database import configured_uri, local_path
from pipeline.records.versions import (
    CHAMPION,
    DATA_NAME_TAG,
    FILE_TAGS,
    FP32_FILE,
    INT8_FILE,
    INT8_OFFERED_TAG,
    INT8_TAG,
    REFERENCE_FILE,
    REFERENCE_TAG,
    Version,
    find_champion,
    find_named,
    list_versions,
    model_name,
    saw_only_drawings,
)

REFERENCE = r"(?:models:/{name}(?:/(?=\d)|(?=@)))?(\d+|@[\w.-]+)"
ACCEPTED = (
    "the path of an .onnx file, a version's number (3), an alias (@champion), or either as "
    "models:/{name}/3 or models:/{name}@champion"
)
DRAWINGS = ", which has seen drawings only: for photographs, run `make oxford`"


@dataclass(frozen=True)
class ModelFile:
    """A model on this machine, and where it came from."""

    file: Path
    source: str  # for people: "version 3 @champion", or the path, and a warning if there is one
    version: int | None = None


def source_of(found: ModelFile, dataset: object) -> str:
    """The source, with a warning if a file without a version learned from drawings.

    dataset: what the loaded file says it was trained on. Of a version, its tags have said it.
    """
    drawn = saw_only_drawings({DATA_NAME_TAG: str(dataset)})
    return found.source + (DRAWINGS if drawn and found.version is None else "")


def precision_of(file: Path) -> str:
    """One of PRECISIONS, by the file's name."""
    return INT8 if file.name.endswith(".int8.onnx") else FP32


def find_model(reference: str | None = None, precision: str = "auto") -> ModelFile:
    """The file that the reference means, fetched if its store is on another machine.

    reference: the path of an .onnx file; a version of the registry by number ("3") or alias
    ("@champion"), also with "models:/NAME" before it. None is the champion, or without
    one the last export. precision: fp32, int8, or auto, which is the INT8 file where the
    export found it as good, and for a named path exactly that file.

    Raises UserError if there is no such file or version, a file is not what was registered, or
    the store fails.
    """
    if reference is not None and reference.endswith(".onnx"):
        return _on_disk(Path(reference), int8=precision == "int8")
    accepted = ACCEPTED.format(name=model_name())
    if reference is not None:
        if not (match := re.fullmatch(REFERENCE.format(name=model_name()), reference)):
            raise UserError(f"{reference!r} names no model: accepted is {accepted}")
        return _of_version(find_named(list_versions(), match[1]), precision)
    if champion := find_champion(list_versions()):
        return _of_version(champion, precision)
    if not ONNX.is_file():
        raise UserError(
            f"there is no model yet: no version is @champion, and {ONNX} is missing. Train one "
            f"with `make`, or name one: accepted is {accepted}"
        )
    offered = read_json(EXPORT_METRICS).get("int8", {}).get("offered", False)
    return _on_disk(ONNX, int8=precision == "int8" or (precision == "auto" and offered))


def alias_in(reference: str | None) -> str | None:
    """The alias that a reference names, as "@champion", also for None; None for what is fixed."""
    named = re.fullmatch(REFERENCE.format(name=model_name()), reference or f"@{CHAMPION}")
    return named[1] if named and named[1].startswith("@") else None


def _on_disk(file: Path, int8: bool) -> ModelFile:
    if int8 and precision_of(file) != INT8:
        file = int8_beside(file)
    if not file.is_file():
        raise UserError(f"{file} is missing: export first (dvc repro export)")
    return ModelFile(file, str(file))


def _of_version(version: Version, precision: str) -> ModelFile:
    """The version's file: in place if the store is local, else fetched once."""
    source = f"version {' '.join(version.names)}"
    offered = version.tags.get(INT8_OFFERED_TAG) == "true"
    if precision == "int8" and INT8_TAG not in version.tags:
        raise UserError(f"{source} has no INT8 file: it was registered without one; use fp32")
    int8 = precision == "int8" or (precision == "auto" and offered)
    file = _file_of(version, INT8_FILE if int8 else FP32_FILE)
    warning = DRAWINGS if saw_only_drawings(version.tags) else ""
    return ModelFile(file, source + warning, version.number)


def find_reference(version: Version) -> Path:
    """What the version saw at its evaluation, fetched as its model is. Raises UserError."""
    if REFERENCE_TAG not in version.tags:
        raise UserError(
            f"version {version.number} was registered without a reference, so that nothing can be "
            "compared with what it saw at its evaluation: export it again (`dvc repro`, which "
            "registers what the export now writes), and serve that version"
        )
    return _file_of(version, REFERENCE_FILE)


def _file_of(version: Version, name: str) -> Path:
    source, tag = f"version {' '.join(version.names)}", FILE_TAGS[name]
    digest = version.tags.get(tag)
    if digest is None:
        raise UserError(f"{source} has no tag {tag}: this project's export did not register it")
    if folder := local_path(version.place):
        file = folder / name
        _verify(file, digest, source)
        return file
    file = cache_folder("models") / digest / name
    if not file.is_file() or file_digest(file) != digest:
        _fetch(f"{version.place}/{name}", file, digest, source)
    return file


def _fetch(place: str, file: Path, digest: str, source: str) -> None:
    """Fetch a file into a folder of its own, so that it appears whole and verified or not at all.

    Raises UserError if it cannot be fetched or has another digest.
    """
    # They import mlflow, which takes seconds: only for a store on another machine.
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415

    uri = configured_uri()
    with TemporaryDirectory() as folder, atomic_file(file) as temporary:
        try:
            fetched = Path(download_artifacts(place, dst_path=folder, tracking_uri=uri))
        except ModuleNotFoundError as error:
            told = f"needs the package {error.name}: make .venv/installed-for-teams"
            raise UserError(f"{source}: {place} {told}") from None
        except Exception as error:  # of whatever library the server's bucket needs
            raise UserError(f"{source}: {place} was not fetched from {uri}: {error}") from None
        _verify(fetched, digest, source)
        temporary.write_bytes(fetched.read_bytes())


def _verify(file: Path, digest: str, source: str) -> None:
    if not file.is_file():
        raise UserError(f"{source}: {file} is missing: deleted, moved, or on a server's machine")
    if file_digest(file) != digest:
        raise UserError(f"{source}: {file} is not the file that was registered: sha256 differs")
