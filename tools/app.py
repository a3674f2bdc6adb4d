"""The page where people try the model: it shows a photograph's mask and the pet cut out.

`make app` starts it, for this machine alone; its settings are in .streamlit/config.toml.
"""

import asyncio
from pathlib import Path
from time import perf_counter

import streamlit as st

from pipeline.core.terminal import UserError
from pipeline.data.images import ImageError
from pipeline.deploy.predictor import Predictor, predict_mask
from tools.decoding import decode_apart
from tools.page.images import ImageFile, choose_image
from tools.page.models import choose_model
from tools.page.result import Result, show_result

INTRODUCTION = (
    "Finds the pet in a photograph: every pixel is called **pet**, **background**, or **border**, "
    "the rim where fur and background mix. The photograph stays on this machine."
)
STYLE = Path(__file__).parent / "page/style.css"


def main() -> None:
    st.set_page_config("Pet segmentation", layout="wide")
    st.html(STYLE)
    st.title("Pet segmentation", anchor=False)
    st.markdown(INTRODUCTION)
    try:
        with st.sidebar:
            st.subheader("Model", anchor=False)
            model = choose_model()
    except UserError as error:
        st.error(str(error), icon=":material/error:")
        return
    file = choose_image()
    if file is None:
        return
    try:
        result = remembered(model, file)
    except ImageError as error:
        st.error(f"This does not work with {error}", icon=":material/broken_image:")
    else:
        show_result(result)


def remembered(model: Predictor, file: ImageFile) -> Result:
    """The model's result for the image, computed when one of the two has changed.

    Raises ImageError for a file that cannot be used.
    """
    key = (model, file.key)
    if st.session_state.get("result key") != key:
        with st.spinner("Looking for the pet …"):
            image, _ = asyncio.run(decode_apart(file.content))
            start = perf_counter()
            mask = predict_mask(model, image)
            st.session_state["result"] = Result(image, mask, perf_counter() - start)
            st.session_state["result key"] = key
    return st.session_state["result"]


if __name__ == "__main__":
    main()
