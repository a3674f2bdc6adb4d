"""The photograph that people give the page: uploaded, pasted, or one of the samples."""

import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import streamlit as st
from PIL import Image, ImageOps

from pipeline.core.layout import PETS, SPLITS
from pipeline.data.pets import breed_of, image_path, species_of
from pipeline.data.splits import evenly_spaced, read_split
from pipeline.sample.looks import breeds
from pipeline.sample.picture import draw_pair

TEST_LIST = SPLITS / "test.csv"
OF_EACH_SPECIES = 3
DRAWN_SIZE = (400, 300)
THUMBNAIL = (248, 186)  # pixels: twice what is shown, for screens of a high resolution
PASTE = Path(__file__).parent / "paste.js"
paste_anywhere = st.components.v2.component("paste_anywhere", js=PASTE.read_text())


@dataclass(frozen=True)
class ImageFile:
    """An image file as people gave it, or a sample."""

    key: str  # unlike that of any other file; a sample's is its name
    content: bytes


def choose_image() -> ImageFile | None:
    """Let people give a photograph; the latest counts, whichever way it came."""
    state = st.session_state
    uploaded = st.file_uploader(
        "Your photograph: upload it, drop it here, or paste it anywhere on the page",
        type="image",
        key=f"upload {state.setdefault('uploader', 0)}",
    )
    paste_anywhere(key="paste")
    if uploaded is not None:
        state.pop("sample", None)
    chosen = state.get("sample")
    nothing_yet = uploaded is None and chosen is None
    row = st.expander("Or try one of these", expanded=nothing_yet, icon=":material/pets:")
    # As many in a row as there is room for.
    with row.container(key="samples", horizontal=True, horizontal_alignment="center"):
        for sample in find_samples():
            with st.container(width=THUMBNAIL[0] // 2, gap="xsmall"):
                image = Image.open(io.BytesIO(sample.content)).convert("RGB")
                st.image(ImageOps.fit(image, THUMBNAIL), width=THUMBNAIL[0] // 2)
                take, breed = partial(_take, sample), breed_of(sample.key).replace("_", " ")
                st.button(breed.capitalize(), key=sample.key, width="stretch", on_click=take)
    return chosen if uploaded is None else ImageFile(uploaded.file_id, uploaded.getvalue())


def _take(sample: ImageFile) -> None:
    st.session_state["sample"] = sample
    st.session_state["uploader"] += 1  # a new, empty one


@st.cache_data(show_spinner=False)
def find_samples() -> list[ImageFile]:
    """Cats and dogs of different breeds: from the test list if there is one, else drawn."""
    listed = read_split(TEST_LIST)["name"].tolist() if TEST_LIST.is_file() else []
    present = [name for name in listed if image_path(PETS, name).is_file()]
    names = present or [f"{breed.name}_1" for breed in breeds()]
    chosen: list[str] = []  # evenly over the list, and therefore over breeds
    for species in ("cat", "dog"):
        of_species = [name for name in names if species_of(name) == species]
        chosen += evenly_spaced(of_species, OF_EACH_SPECIES)
    read = (lambda name: image_path(PETS, name).read_bytes()) if present else _draw
    return [ImageFile(name, read(name)) for name in chosen]


def _draw(name: str) -> bytes:
    breed = next(each for each in breeds() if each.name == breed_of(name))
    stream = io.BytesIO()
    draw_pair(breed, DRAWN_SIZE, Random(name))[0].save(stream, "PNG")
    return stream.getvalue()
