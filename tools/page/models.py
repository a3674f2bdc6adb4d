"""The model that the page uses: which one people choose, its scores and its origin."""

from collections.abc import Mapping
from html import escape
from math import isnan
from pathlib import Path

import streamlit as st

from pipeline.core.files import read_json
from pipeline.core.layout import EVALUATE_METRICS, EXPORT_METRICS, FP32, INT8, ONNX, cores
from pipeline.core.terminal import UserError
from pipeline.deploy.predictor import Predictor
from pipeline.records.models import find_model
from pipeline.records.versions import (
    CHAMPION,
    DATA_NAME_TAG,
    INT8_OFFERED_TAG,
    INT8_TAG,
    ONNX_TAG,
    list_versions,
    number_in,
    saw_only_drawings,
)

WORDS = {FP32: "float32", INT8: "INT8"}
MIOU = "Intersection over union of predicted and true pixels, the mean of the classes."
REMEMBERED = 30  # seconds until the registry is asked again

Tags = Mapping[str, str]  # a version's; for an exported file the same facts, from metrics/


def choose_model() -> Predictor:
    """Let people choose a model, load it, and show its facts. Raises UserError if there is none."""
    choices = list_choices()
    if not choices:
        raise UserError("There is no model yet: train one with `make`, then reload this page")
    labels = {reference: tags["label"] for reference, tags in choices.items()}
    used = [f"@{CHAMPION}" in label.split() for label in labels.values()]
    first = used.index(True) if any(used) else 0
    with st.sidebar:
        st.subheader("Model", anchor=False)
        reference = st.selectbox("Version", choices, first, format_func=labels.__getitem__)
        tags = choices[reference]
        with st.expander("Scores and origin"):
            precision = choose_precision(reference, tags)
            # By the files' digests alone: another tag makes no other model.
            own = {tag: tags[tag] for tag in (ONNX_TAG, INT8_TAG) if tag in tags}
            predictor = load_model(reference, precision, own)
            # A file has no tags; what it learned from it says itself.
            tags = {DATA_NAME_TAG: str(predictor.identity["dataset"]), **tags}
            show_facts(tags, predictor, precision)
    if saw_only_drawings(tags):  # not in the sidebar, which telephones hide
        st.warning("This model has seen drawings only. For photographs, run `make oxford`.")
    return predictor


def choose_precision(reference: str, tags: Tags) -> str:
    precisions = [FP32, INT8] if INT8_TAG in tags else [FP32]
    return st.segmented_control(
        "Precision",
        precisions,
        format_func=WORDS.__getitem__,
        default=INT8 if tags.get(INT8_OFFERED_TAG) == "true" else FP32,
        required=True,
        key=f"precision of {reference}",
        help=None if INT8 in precisions else "This version has no INT8 file.",
    )


@st.cache_data(ttl=REMEMBERED, show_spinner="Looking for models …")
def list_choices() -> dict[str, Tags]:
    """The registered versions, newest first, or else the exported file: tags by reference.

    A reference is what find_model takes. Raises UserError if the store fails.
    """
    versions = list_versions()
    if not versions:
        # Not at the top: with it comes mlflow, which a page with a registry can do without.
        from pipeline.records.registry import tags_of

        scores = {"test": read_json(EVALUATE_METRICS), "export": read_json(EXPORT_METRICS)}
        tags = {"label": str(ONNX)}
        return {str(ONNX): tags | tags_of(ONNX, scores)} if ONNX.is_file() else {}
    choices: dict[str, Tags] = {}
    for version in versions:
        own = {"label": " ".join(version.names), "registered": f"{version.created:%Y-%m-%d}"}
        choices[str(version.number)] = {**version.tags, **own}
    return choices


@st.cache_resource(max_entries=4, show_spinner="Loading the model …")
def load_model(reference: str, precision: str, tags: Tags) -> Predictor:
    """The model, ready; loaded again when the tags under the same reference have changed.

    Raises UserError if its file is missing, cannot be loaded, or is another kind of model.
    """
    found = find_model(reference, precision)
    return Predictor(found.file, cores(), found.version).tried()


def show_facts(tags: Tags, model: Predictor, precision: str) -> None:
    """Show the test scores and the model's origin, as far as the tags know them."""
    if precision == INT8 and "export.int8.miou" in tags:
        drop = number_in(tags, "export.int8.miou_drop")
        difference = None if isnan(drop) else f"{0 - drop:+.4f} beside float32"
        st.metric("Test mIoU", _number(tags, "export.int8.miou"), difference, "off", help=MIOU)
    elif precision == FP32 and "test.miou" in tags:
        st.metric("Test mIoU", _number(tags, "test.miou"), help=MIOU)
        low, high = (_number(tags, f"test.miou_{end}") for end in ("low", "high"))
        scores = {f"IoU {name}": _number(tags, f"test.iou.{name}") for name in model.classes.names}
        st.html(_list({"95 % interval": f"{low} to {high}" if low and high else "", **scores}))
    st.html(_list(_origin(tags, model.file)))


def _origin(tags: Tags, file: Path) -> dict[str, str]:
    """Digests are shortened."""
    images = _number(tags, "test.images", ",.0f")
    seen = "drawings" if saw_only_drawings(tags) else "photographs"
    dirty = " + changes" if tags.get("git.dirty") == "true" else ""
    return {
        "tested on": f"{images} {seen}" if images else "",
        "data set": f"{tags.get('data.name', '')} {tags.get('data.index_md5', '')[:7]}".strip(),
        "registered": tags.get("registered", ""),
        "MLflow run": tags.get("run.id", "")[:8],
        "commit": tags.get("git.commit", "")[:7] + dirty,
        "file": f"{file.stat().st_size / 1e6:.1f} MB",
    }


def _number(tags: Tags, tag: str, form: str = ".3f") -> str:
    """The number of a tag in this form; nothing without one."""
    number = number_in(tags, tag)
    return "" if isnan(number) else format(number, form)


def _list(rows: Mapping[str, str]) -> str:
    """The rows that are known, as HTML."""
    known = ((escape(name), escape(text)) for name, text in rows.items() if text)
    pairs = (f"<dt>{name}</dt><dd>{text}</dd>" for name, text in known)
    return f'<dl class="facts">{"".join(pairs)}</dl>'
