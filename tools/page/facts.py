"""What is known of a model, beside its masks."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

import streamlit as st

from pipeline.data.pets import CLASSES

MIOU = "Intersection over union of predicted and true pixels, the mean of the three classes."


def show_facts(tags: Mapping[str, str], file: Path, precision: str) -> None:
    """Scores on the test photographs, and where the model comes from, as far as the tags say."""
    if precision == "int8" and "export.int8.miou" in tags:
        difference = f"{0 - float(tags['export.int8.miou_drop']):+.4f} beside float32"
        st.metric("Test mIoU", _score(tags["export.int8.miou"]), difference, "off", help=MIOU)
    elif precision == "fp32" and "test.miou" in tags:
        st.metric("Test mIoU", _score(tags["test.miou"]), help=MIOU)
        st.html(_list(details(tags)))
    st.html(_list(origin(tags, file)))


def details(tags: Mapping[str, str]) -> dict[str, str]:
    """What the test gave in detail, by what it is called on the page."""
    known = {}
    if {"test.miou_low", "test.miou_high"} <= tags.keys():
        low, high = (_score(tags[f"test.miou_{end}"]) for end in ("low", "high"))
        known["95 % interval"] = f"{low} to {high}"
    for name in CLASSES:
        if value := tags.get(f"test.iou.{name}"):
            known[f"IoU {name}"] = _score(value)
    return known


def origin(tags: Mapping[str, str], file: Path) -> dict[str, str]:
    """Where the model comes from, by what it is called on the page; digests in their short form."""
    images = f"{float(tags['test.images']):,.0f} photographs" if "test.images" in tags else ""
    dirty = " + changes" if tags.get("git.dirty") == "true" else ""
    known = {
        "tested on": images,
        "data set": f"{tags.get('data.name', '')} {tags.get('data.index_md5', '')[:7]}".strip(),
        "registered": tags.get("registered", ""),
        "MLflow run": tags.get("run.id", "")[:8],
        "commit": tags.get("git.commit", "")[:7] + dirty,
        "file": f"{file.stat().st_size / 1e6:.1f} MB",
    }
    return {name: text for name, text in known.items() if text}


def _score(value: str) -> str:
    return f"{float(value):.3f}"


def _list(rows: Mapping[str, str]) -> str:
    pairs = (f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows.items())
    return f'<dl class="facts">{"".join(pairs)}</dl>'
