"""The page where people turn photographs that the model has seen in use into training pairs.

The prediction log keeps those that the model was least sure of (`make serve LOG=folder KEEP=0.01`).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st
from PIL import Image

from pipeline.core.files import atomic_file
from pipeline.core.git import committer
from pipeline.core.layout import LABELS, PAIRS
from pipeline.core.terminal import UserError
from pipeline.data.classes import read_classes
from pipeline.data.images import decode_image, open_image
from pipeline.deploy.predictor import Array, Predictor
from pipeline.deploy.results import reduced
from pipeline.ingest.additions import Addition, add_pair, read_additions, remove_pair
from pipeline.ingest.annotation import mask_png
from pipeline.monitoring.log import KEPT, kept_pictures
from pipeline.scoring.pictures import overlay
from tools.labelling.exporting import require_classes
from tools.page.gallery import plain
from tools.page.models import choose_model
from tools.page.review import VIEW, choose_name, pass_over, show_key, uploaded_mask


def additions_page(log: Path) -> None:
    """log: the folder of a prediction log that keeps photographs."""
    st.title("Add photographs", anchor=False)
    words = "Photographs from use, with the model's mask. Pairs that you accept are trained on."
    st.markdown(words)
    if said := st.session_state.pop("said", None):
        st.warning(plain(said))
    try:
        show_next(log / KEPT, choose_model())
    except UserError as error:
        st.error(plain(error), icon=":material/error:")


def show_next(kept: Path, model: Predictor) -> None:
    """Show the next photograph that is no pair yet. Raises UserError if it cannot be shown."""
    classes, reviewer = read_classes(PAIRS), committer(Path())
    require_classes(model, classes)
    steps = st.session_state.setdefault("additions", [])  # what takes each decision back
    added = read_additions(LABELS)
    waiting = [file.stem for file in kept_pictures(kept.parent) if file.stem not in added]
    st.markdown(f"{len(waiting)} to look at, {len(added)} added")
    if waiting:
        name = choose_name(waiting)
        show_photograph(kept / f"{name}.jpg", Addition(name, classes.dataset, "", reviewer), model)
    else:
        st.success("No photograph is left to look at.")
    st.button("Undo", shortcut="U", on_click=_undo, disabled=not steps, key="undo addition")


def show_photograph(file: Path, blank: Addition, model: Predictor) -> None:
    """Show the photograph, and a button with a key for each decision. blank: without origin."""
    image, classes = decode_image(file), model.classes
    predicted = model.predict(image, confident=False).mask
    pictures, name = st.container(), blank.name
    with st.container(horizontal=True):
        origin = f"prediction log; mask of the model {model.identity['digest']}"
        show_key("Accept", "A", name, partial(_accept, file, blank, origin, predicted))
        show_key("Discard", "D", name, partial(_discard, file))
        show_key("Next", "N", name, pass_over)
    drawn = uploaded_mask(name, image, classes)
    if drawn is not None:
        origin = "prediction log; mask from a file"
        show_key("Take this file", "F", name, partial(_accept, file, blank, origin, drawn))
    photograph, mask = reduced(VIEW, image, predicted)
    shown = {"Photograph": Image.fromarray(photograph), "Model": overlay(photograph, mask, classes)}
    for column, (caption, picture) in zip(pictures.columns(2), shown.items(), strict=True):
        column.image(picture, caption, width="stretch", alt=f"{caption}: {name}")


def _accept(file: Path, blank: Addition, origin: str, mask: Array) -> None:
    addition = Addition(blank.name, blank.dataset, origin, blank.reviewer)

    def accept() -> Callable[[], object]:
        open_image(file)  # as extract will: it takes fewer megapixels than the page
        add_pair(LABELS, addition, file.read_bytes(), mask_png(mask, read_classes(PAIRS)))
        return partial(remove_pair, LABELS, blank.name)

    _take(blank.name, accept)


def _discard(file: Path) -> None:
    def discard() -> Callable[[], object]:
        content = file.read_bytes()
        file.unlink()
        return partial(keep_file, file, content)

    _take(file.stem, discard)


def _take(name: str, step: Callable[[], Callable[[], object]]) -> None:
    """Do what a key says, and note what takes it back; what prevents that is said on the page."""
    state = st.session_state
    if state.get("current") != name:
        return  # a key that was pressed twice
    try:
        state["additions"].append(step())
    except (UserError, OSError) as error:  # the log deletes the oldest photographs
        state["said"] = str(error)
    del state["current"]


def keep_file(file: Path, content: bytes) -> None:
    """Write a photograph of the log, whole and for its owner alone."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with atomic_file(file) as temporary:
        temporary.chmod(0o600)
        temporary.write_bytes(content)


def _undo() -> None:
    state = st.session_state
    if not state["additions"]:
        return  # a key that was pressed twice
    try:
        state["additions"][-1]()
    except (UserError, OSError) as error:
        state["said"] = str(error)
    else:
        state["additions"].pop()
