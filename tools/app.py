"""The page where people try the model: it shows a photograph's mask and the pet cut out.

`make app` starts it, for this machine alone; its settings are in .streamlit/config.toml.
"""

from pathlib import Path

import streamlit as st

from pipeline.core.terminal import UserError
from pipeline.data.images import ImageError
from pipeline.deploy.predictor import Predictor
from tools.page.gallery import plain
from tools.page.images import ImageFile, choose_images
from tools.page.models import choose_model
from tools.page.result import Result, find_pet, show_results

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
        model = choose_model()
    except UserError as error:
        st.error(plain(error), icon=":material/error:")
        return
    results = {}
    for file in choose_images():
        try:
            results[file.key] = remembered(model, file)
        except ImageError as error:
            reason = plain(str(error).removeprefix("the photograph: "))
            st.error(f"**{plain(file.name)}** does not work: {reason}", icon=":material/error:")
    st.session_state["results"] = {(model, key): result for key, result in results.items()}
    if results:
        show_results(results)


def remembered(model: Predictor, file: ImageFile) -> Result:
    """The model's result for the image, computed once for the two.

    Raises ImageError for a file that cannot be used.
    """
    results = st.session_state.setdefault("results", {})
    key = (model, file.key)
    if key not in results:
        with st.spinner(f"Looking for the pet in {plain(file.name)} …"):
            results[key] = find_pet(model, file)
    return results[key]


if __name__ == "__main__":
    main()
