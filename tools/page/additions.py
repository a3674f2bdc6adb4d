"""The page where people turn photographs that the model has seen in use into training pairs.

The prediction log keeps those that the model was least sure of (`make serve LOG=folder KEEP=0.01`).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import streamlit as st
from PIL import Image

from pipeline.core.files import atomic_file
from pipeline.core.git import committer
from pipeline.core.layout import LABELS, PAIRS
from pipeline.data.classes import read_classes
from pipeline.data.images import decode_image, open_image
from pipeline.deploy.predictor import Array, Predictor
from pipeline.deploy.results import reduced
from pipeline.ingest.additions import Addition, add_pair, read_additions, remove_pair
from pipeline.ingest.annotation import mask_png
from pipeline.monitoring.log import kept_pictures
from pipeline.scoring.pictures import overlay
from tools.labelling.exporting import require_classes
from tools.page.models import choose_model
from tools.page.review import VIEW, choose_name, pass_over, step_key, steps_page, uploaded_mask


def additions_page(log: Path) -> None:
    """Show the page. log: the folder of a prediction log that keeps photographs."""
    steps_page("Add photographs", "additions", partial(show_next, log))


def show_next(log: Path) -> None:
    """Show the next photograph that is no pair yet. Raises UserError if it cannot be shown."""
    words = "Photographs from use, with the model's mask. Pairs that you accept are trained on."
    st.markdown(words)
    model, classes, reviewer = choose_model(), read_classes(PAIRS), committer(Path())
    require_classes(model, classes)
    added = read_additions(LABELS)
    waiting = {file.stem: file for file in kept_pictures(log) if file.stem not in added}
    st.markdown(f"{len(waiting)} to look at, {len(added)} added")
    if waiting:
        name = choose_name([*waiting])
        show_photograph(waiting[name], Addition(name, classes.dataset, "", reviewer), model)
    else:
        st.success("No photograph is left to look at.")


def show_photograph(file: Path, blank: Addition, model: Predictor) -> None:
    """Show the photograph, and a button with a key for each decision. blank: without origin."""
    image, classes = decode_image(file), model.classes
    predicted = model.predict(image, confident=False).mask
    pictures, name = st.container(), blank.name
    show_key = partial(step_key, "additions", name)
    with st.container(horizontal=True):
        origin = f"prediction log; mask of the model {model.identity['digest']}"
        added = replace(blank, origin=origin)
        show_key("Accept", "A", partial(accept, file, added, predicted))
        show_key("Discard", "D", partial(discard, file))
        st.button("Next", shortcut="N", on_click=pass_over, key=f"N {name}")
    drawn = uploaded_mask(name, image, classes)
    if drawn is not None:
        added = replace(blank, origin="prediction log; mask from a file")
        show_key("Take this file", "F", partial(accept, file, added, drawn))
    photograph, mask = reduced(VIEW, image, predicted)
    shown = {"Photograph": Image.fromarray(photograph), "Model": overlay(photograph, mask, classes)}
    for column, (caption, picture) in zip(pictures.columns(2), shown.items(), strict=True):
        column.image(picture, caption, width="stretch", alt=f"{caption}: {name}")


def accept(file: Path, addition: Addition, mask: Array) -> Callable[[], object]:
    """Add the pair; return what takes it out again."""
    open_image(file)  # as extract will: it takes fewer megapixels than the page
    add_pair(LABELS, addition, file.read_bytes(), mask_png(mask, read_classes(PAIRS)))
    return partial(remove_pair, LABELS, addition.name)


def discard(file: Path) -> Callable[[], object]:
    """Delete the photograph; return what brings it back."""
    content = file.read_bytes()
    file.unlink()
    return partial(keep_file, file, content)


def keep_file(file: Path, content: bytes) -> None:
    """Write a photograph of the log, whole and for its owner alone."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with atomic_file(file) as temporary:
        temporary.chmod(0o600)
        temporary.write_bytes(content)
