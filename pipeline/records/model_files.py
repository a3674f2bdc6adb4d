"""Which file is meant: of a registered version or on disk, in float32 or INT8."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from pipeline.core.terminal import UserError

Precision = Literal["auto", "fp32", "int8"]

EXPORTED = Path("models/model.onnx")
EXPORT_METRICS = Path("metrics/export.json")
ACCEPTED = (
    "the path of an .onnx file, a version's number (3), an alias (@champion), or either as "
    "models:/pet-segmentation/3 or models:/pet-segmentation@champion"
)


@dataclass(frozen=True)
class ModelFile:
    """A model on this machine, and where it came from."""

    file: Path
    source: str  # for people: "version 3 @champion", or the path
    tags: Mapping[str, str] = field(default_factory=dict)  # the version's; of a plain file none


def find_model(reference: str | None = None, precision: str = "auto") -> ModelFile:
    """The file that the reference means, fetched if its store is on another machine.

    reference: the path of an .onnx file; a version of the registry by number ("3") or alias
    ("@champion"), also with "models:/pet-segmentation" before it; None is the champion, or where
    there is none what the last export wrote. precision: fp32, int8, or auto, which is the INT8
    file where the export found it as good, and of a named path the very file.

    Raises UserError if there is no such file or version, a file is not what was registered, or
    the store fails.
    """
    if precision not in get_args(Precision):
        raise UserError(f"precision {precision!r}: accepted are {', '.join(get_args(Precision))}")
    if reference is not None and reference.endswith(".onnx"):
        return _on_disk(Path(reference), int8=precision == "int8")
    # mlflow takes 3 seconds to import: who names a file need not wait for it.
    from pipeline.records.version_files import find_champion, find_version_file  # noqa: PLC0415

    if reference is not None:
        return find_version_file(reference, precision)
    return find_champion(precision) or _exported(precision)


def int8_beside(model: Path) -> Path:
    """Where the INT8 file of a model is: model.int8.onnx beside model.onnx."""
    return model.with_suffix(f".int8{model.suffix}")


def _on_disk(file: Path, int8: bool) -> ModelFile:
    if int8 and not file.name.endswith(".int8.onnx"):
        file = int8_beside(file)
    if not file.is_file():
        raise UserError(f"{file} is missing: export first (dvc repro export)")
    return ModelFile(file, str(file))


def _exported(precision: str) -> ModelFile:
    """What the last export wrote."""
    if not EXPORTED.is_file():
        raise UserError(
            f"there is no model yet: no version is @champion, and {EXPORTED} is missing. Train one "
            f"with `make`, or name one: accepted is {ACCEPTED}"
        )
    return _on_disk(EXPORTED, int8=precision == "int8" or (precision == "auto" and _offered()))


def _offered() -> bool:
    if not EXPORT_METRICS.is_file():
        return False
    return json.loads(EXPORT_METRICS.read_text()).get("int8", {}).get("offered", False)
