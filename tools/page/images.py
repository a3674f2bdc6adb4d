"""The photographs that people give the page: uploaded, pasted, taken, or one of the samples."""

import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import streamlit as st
from PIL import Image
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pipeline.core.layout import PAIRS, SPLITS
from pipeline.data.pairs import locate
from pipeline.data.splits import evenly_spaced, read_split
from pipeline.sample.looks import Breed, breeds
from pipeline.sample.picture import draw_pair
from tools.page.gallery import gallery, show_choice

TEST_LIST = SPLITS / "test.csv"
SAMPLES = 6
DRAWN = ("sample", "")  # data sets of which a sample is drawn; older models name none
DRAWN_SIZE = (400, 300)
CAMERA = ":material/photo_camera:"
PASTE = Path(__file__).parent / "paste.js"
paste_anywhere = st.components.v2.component("paste_anywhere", js=PASTE.read_text())


@dataclass(frozen=True)
class ImageFile:
    """An image file as people gave it, or a sample."""

    key: str  # unlike that of any other file; a sample's is its name
    name: str
    content: bytes


def choose_images(dataset: str) -> list[ImageFile]:
    """Let people give photographs or choose one of the data set; the latest choice counts."""
    state = st.session_state
    turn = state.setdefault("turn", 0)
    uploaded = st.file_uploader(
        "Your photographs: upload them, drop them here, or paste one anywhere on the page",
        type=["image", "heic", "heif"],  # browsers know no type for the latter
        accept_multiple_files=True,
        key=f"upload {turn}",
    )
    own = [_file(file, file.name) for file in uploaded]
    paste_anywhere(key="paste")
    words = "Or take one with the camera"
    camera = st.expander(words, key="camera", on_change="rerun", icon=CAMERA)
    if camera.open:  # only then does the browser ask whether it may
        taken = camera.camera_input("A photograph from the camera", key=f"taken {turn}")
        own += [_file(taken, "From the camera")] if taken else []
    if own:
        state.pop("sample", None)
    chosen = state.get("sample")
    if samples := find_samples(dataset in DRAWN):
        show_samples(samples, folded=bool(own or chosen))
    return [chosen] if chosen else own


def show_samples(samples: list[ImageFile], folded: bool) -> None:
    row = st.expander("Or try one of these", expanded=not folded, icon=":material/photo_library:")
    with row, gallery("samples"):
        for sample in samples:
            image = Image.open(io.BytesIO(sample.content)).convert("RGB")
            take, alt = partial(_take, sample), f"Sample: {sample.name}"
            show_choice(image, sample.name, alt, key=f"sample {sample.key}", on_click=take)


def _file(uploaded: UploadedFile, name: str) -> ImageFile:
    return ImageFile(uploaded.file_id, name, uploaded.getvalue())


def _take(sample: ImageFile) -> None:
    st.session_state["sample"] = sample
    st.session_state["turn"] += 1  # a new uploader and camera, both empty


@st.cache_data(show_spinner=False)
def find_samples(drawn: bool) -> list[ImageFile]:
    """Images evenly spaced over the test list if there is one; else, if wanted, drawn animals."""
    listed = read_split(TEST_LIST)["name"].tolist() if TEST_LIST.is_file() else []
    present = {name: place for name in listed if (place := locate("image", name, PAIRS)).exists}
    if present:
        found = {name: present[name].read() for name in evenly_spaced([*present], SAMPLES)}
    else:
        found = {each.name: _draw(each) for each in evenly_spaced(breeds(), SAMPLES) if drawn}
    return [ImageFile(name, name.replace("_", " "), found[name]) for name in found]


def _draw(breed: Breed) -> bytes:
    stream = io.BytesIO()
    draw_pair(breed, DRAWN_SIZE, Random(breed.name))[0].save(stream, "PNG")
    return stream.getvalue()
