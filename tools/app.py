"""The page on which people try the model: a photograph in, its mask and the pet's cut-out out.

`make app` starts it, for this machine alone; its settings are in .streamlit/config.toml.
"""

import io
from pathlib import Path

import streamlit as st
from PIL import Image, ImageDraw

from pipeline.core.terminal import UserError
from pipeline.data.images import ImageError, decode_image
from pipeline.data.pets import BACKGROUND, BORDER, PALETTE, PET
from tools.page.facts import show_facts
from tools.page.models import Model, choose_model, load_model
from tools.page.photograph import Upload, choose_photograph
from tools.page.result import Result, segment, show_result

INTRODUCTION = (
    "Finds the pet in a photograph: every pixel is called **pet**, **background**, or **border**, "
    "the rim where fur and background mix. The photograph stays on this machine."
)
STYLE = Path(__file__).parent / "page/style.css"


def main() -> None:
    st.set_page_config("Pet segmentation", icon(), layout="wide")
    st.html(STYLE)
    st.title("Pet segmentation", anchor=False)
    st.markdown(INTRODUCTION)
    try:
        with st.sidebar:
            st.subheader("Model", anchor=False)
            choice, precision = choose_model()
            model = load_model(choice.reference, precision, choice.tags)
            show_facts(choice.tags, model.file, precision)
    except UserError as error:
        st.error(str(error), icon=":material/error:")
        return
    upload = choose_photograph()
    if upload is None:
        return
    try:
        result = remembered(model, upload)
    except ImageError as error:
        st.error(f"This does not work with {error}", icon=":material/broken_image:")
    else:
        show_result(result)


def remembered(model: Model, upload: Upload) -> Result:
    """The model's result for the photograph, made when one of the two has changed.

    Raises ImageError for a file that cannot be used.
    """
    key = (model.key, upload.key)
    if st.session_state.get("result key") != key:
        with st.spinner("Looking for the pet …"):
            photograph = decode_image(io.BytesIO(upload.content))
            st.session_state["result"] = segment(model.predictor, photograph)
            st.session_state["result key"] = key
    return st.session_state["result"]


def icon() -> Image.Image:
    """A mask of something round: drawn, since Streamlit fetches its own icons from elsewhere."""
    drawing = Image.new("RGB", (64, 64), PALETTE[BACKGROUND])
    ImageDraw.Draw(drawing).ellipse((8, 8, 56, 56), PALETTE[PET], PALETTE[BORDER], 7)
    return drawing


if __name__ == "__main__":
    main()
