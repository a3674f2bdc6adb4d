"""The model that the page uses: which there are, in which precision, and what is known of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pipeline.core.files import file_digest
from pipeline.core.layout import EXPORT_METRICS, ONNX, int8_beside
from pipeline.core.terminal import UserError
from pipeline.deploy.batch import cores
from pipeline.deploy.predictor import Predictor
from pipeline.records.models import find_model
from pipeline.records.runs import numbers
from pipeline.records.versions import (
    CHAMPION,
    INT8_OFFERED_TAG,
    INT8_TAG,
    ONNX_TAG,
    Version,
    list_versions,
)

SCORES = Path("metrics/evaluate.json")
PRECISIONS = {"fp32": "float32", "int8": "INT8"}
REMEMBERED = 30  # seconds until the registry is asked again


@dataclass(frozen=True)
class Choice:
    """A model that can be chosen; `tags` are a version's, or what the metrics files say."""

    reference: str  # as find_model takes it
    label: str
    tags: Mapping[str, str]
    champion: bool = False

    @property
    def precisions(self) -> list[str]:
        """Those that there are files of, the one to be used first."""
        if INT8_TAG not in self.tags:
            return ["fp32"]
        return ["int8", "fp32"] if self.tags.get(INT8_OFFERED_TAG) == "true" else ["fp32", "int8"]


@dataclass(frozen=True)
class Model:
    """A model in one precision, loaded."""

    predictor: Predictor
    file: Path
    key: tuple[str, str]  # tells it from every other


@st.cache_data(ttl=REMEMBERED, show_spinner="Looking for models …")
def list_choices() -> list[Choice]:
    """The registered versions, the newest first; where there is none, the exported file.

    Raises UserError for a store that fails.
    """
    if versions := list_versions():
        return [_of_version(version) for version in versions]
    return [_of_export()] if ONNX.is_file() else []


@st.cache_resource(max_entries=4, show_spinner="Loading the model …")
def load_model(reference: str, precision: str, changed: object) -> Model:
    """The model, ready. `changed` tells apart what is different under the same reference.

    Raises UserError if its file is missing, cannot be loaded, or is no model of this kind.
    """
    file = find_model(reference, precision).file
    return Model(Predictor(file, cores()).tried(), file, (f"{reference} {changed}", precision))


def choose_model() -> tuple[Choice, str]:
    """Let people choose model and precision. Raises UserError if there is no model."""
    choices = {choice.reference: choice for choice in list_choices()}
    if not choices:
        raise UserError("There is no model yet: train one with `make`, then reload this page")
    champion = next((place for place, each in enumerate(choices.values()) if each.champion), 0)
    labels = {reference: choice.label for reference, choice in choices.items()}
    chosen = choices[st.selectbox("Version", choices, champion, format_func=labels.__getitem__)]
    precision = st.segmented_control(
        "Precision",
        sorted(chosen.precisions),
        format_func=PRECISIONS.__getitem__,
        default=chosen.precisions[0],
        required=True,
        key=f"precision of {chosen.reference}",
        help=None if len(chosen.precisions) > 1 else "This version has no INT8 file.",
    )
    return chosen, precision


def _of_version(version: Version) -> Choice:
    tags = {**version.tags, "registered": f"{version.created:%Y-%m-%d}"}
    label = " ".join([str(version.number), *(f"@{alias}" for alias in version.aliases)])
    return Choice(str(version.number), label, tags, CHAMPION in version.aliases)


def _of_export() -> Choice:
    measured = {"test": SCORES, "export": EXPORT_METRICS}
    read = {name: json.loads(file.read_text()) for name, file in measured.items() if file.is_file()}
    tags = {name: str(value) for name, value in numbers(read).items()}
    tags[ONNX_TAG] = file_digest(ONNX)
    if int8_beside(ONNX).is_file():
        offered = read.get("export", {}).get("int8", {}).get("offered", False)
        tags |= {
            INT8_TAG: file_digest(int8_beside(ONNX)),
            INT8_OFFERED_TAG: str(offered).lower(),
        }
    return Choice(str(ONNX), str(ONNX), tags)
