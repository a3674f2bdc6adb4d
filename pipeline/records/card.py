"""Some lines about a model, for people who look at its run or version in MLflow."""

import html
from collections.abc import Mapping

from pipeline.core.git import UNKNOWN
from pipeline.core.terminal import printable
from pipeline.records.versions import (
    CHANGED_TAG,
    CHECKPOINT_TAG,
    DATA_NAME_TAG,
    DATA_TAG,
    INT8_OFFERED_TAG,
    MIOU_TAG,
    RUN_TAG,
    model_name,
    number_in,
    saw_only_drawings,
)

MODEL = (  # the description of all versions together
    "Each version is a trained model. Its description says how good it is, and how to use and "
    "rebuild it. The alias champion names the version that people use, challenger the one that the "
    "gate judged last. `make models` lists them."
)
IOU = "test.iou."  # tags of the scores by class
MOST, LOWEST = 12, 3  # classes that are all listed; else so many of them
FILES = {
    None: "model.onnx",
    "true": "model.onnx, and model.int8.onnx, which is as good and used by default",
    "false": "model.onnx, and model.int8.onnx, which is worse and used only when asked for",
}


def describe(number: int, tags: Mapping[str, str]) -> str:
    """The description of a version with these tags, and of its run, in Markdown.

    The tags may hold any text: it is shown as code, and cannot become HTML or a link.
    """

    def shown(tag: str, length: int | None = None) -> str:
        known = tags[tag][:length] if tag in tags else UNKNOWN
        text = html.escape(printable(known), quote=False)
        return f"`{text.replace('`', chr(39)).replace(chr(10), ' ')}`"

    drawn = "; **drawings only: the model is useless on photographs**"
    kind = drawn if saw_only_drawings(tags) else ""
    images = shown("test.images").replace(".0`", "`")
    dirty = ", with changes (`lineage/dirty.patch`)" if tags.get("git.dirty") == "true" else ""
    classes = sorted(tag for tag in tags if tag.startswith(IOU))
    lowest = sorted(classes, key=lambda tag: number_in(tags, tag))[:LOWEST]
    several = f"{len(classes)} classes; the lowest: " if len(classes) > MOST else ""
    listed = lowest if several else classes
    scores = ", ".join(f"{tag.removeprefix(IOU)} {shown(tag, 6)}" for tag in listed)
    uri = f"models:/{model_name()}/{number}"
    # Plain text first: it is all that the table of versions has room for.
    interval = f"95 % interval {shown('test.miou_low', 6)} to {shown('test.miou_high', 6)}"
    begins = f"mIoU {shown(MIOU_TAG, 6)} ({interval}) on {images} test images of "
    lines = {
        "IoU by class": f"{several}{scores}" or UNKNOWN,
        "Changed params": shown(CHANGED_TAG) if CHANGED_TAG in tags else "none: as in the commit",
        "Data": f"index.csv {shown(DATA_TAG, 7)}",
        "Commit": f"{shown('git.commit', 12)}{dirty}",
        "Run": f"{shown(RUN_TAG)}, checkpoint {shown(CHECKPOINT_TAG, 12)}",
        "Files": FILES.get(tags.get(INT8_OFFERED_TAG), FILES[None]),
        "Input and output": "RGB uint8 (height, width, 3) of any size, to the class of each pixel",
        "Use": f"`make predict IMAGE=photo.jpg MODEL={number}`, or `{uri}`",
        "Rebuild": f"`make verify VERSION={number}`",
    }
    facts = "\n".join(f"- **{name}**: {text}" for name, text in lines.items())
    return f"{begins}{shown(DATA_NAME_TAG)}{kind}\n\n{facts}"
