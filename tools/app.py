"""The page where people try the model: it shows a photograph's mask, and the foreground cut out.

Where `make labels` has ranked the pairs, a second page lets people judge their masks; where the
log keeps photographs, another one makes training pairs of them.
`make app` starts it, for this machine alone; its settings are in .streamlit/config.toml.
"""

import argparse
from functools import partial
from pathlib import Path

import streamlit as st

from pipeline.core.layout import SUSPECTS
from pipeline.core.terminal import UserError
from pipeline.data.classes import Classes
from pipeline.data.images import ImageError
from pipeline.deploy.predictor import Predictor
from pipeline.monitoring.log import KEPT, PredictionLog
from pipeline.scoring.suspects import TABLE
from tools.page.additions import additions_page
from tools.page.gallery import plain
from tools.page.images import ImageFile, choose_images
from tools.page.models import choose_model
from tools.page.result import Result, label_image, show_results
from tools.page.review import review_page
from tools.serve import add_log_options, log_options

NAMED = 8  # classes in the introduction
STYLE = Path(__file__).parent / "page/style.css"


def main() -> None:
    st.set_page_config("Segmentation", layout="wide")
    st.html(STYLE)
    try:
        folder, _ = open_options()
    except UserError as error:
        st.error(plain(error), icon=":material/error:")
        return
    pages = [st.Page(try_model, title="Try the model")]
    if (SUSPECTS / TABLE).is_file():
        pages.append(st.Page(review_page, title="Review labels"))
    if folder and (folder / KEPT).is_dir():
        title, path = "Add photographs", "add_photographs"
        pages.append(st.Page(partial(additions_page, folder), title=title, url_path=path))
    if len(pages) == 1:
        try_model()
    else:
        st.navigation(pages).run()


def try_model() -> None:
    head = st.container()
    try:
        model, log = choose_model(), open_log()
    except UserError as error:
        head.title("Segmentation", anchor=False)
        st.error(plain(error), icon=":material/error:")
        return
    head.title(title(model.classes), anchor=False)
    head.markdown(introduction(model.classes))
    results = {}
    for file in choose_images(model.classes.dataset):
        try:
            results[file.key] = remembered(model, file, log)
        except ImageError as error:
            reason = plain(str(error).removeprefix("the photograph: "))
            st.error(f"**{plain(file.name)}** does not work: {reason}", icon=":material/error:")
    st.session_state["results"] = {(model, key): result for key, result in results.items()}
    if results:
        show_results(results)


def title(classes: Classes) -> str:
    """The page's title; it names the foreground class, if there is exactly one."""
    subject = f"{plain(classes.subject)} " if len(classes.foreground) == 1 else ""
    name = f"{subject}segmentation"
    return name[0].upper() + name[1:]


def introduction(classes: Classes) -> str:
    """What the model does, in Markdown; of many classes only a few are named."""
    names = [f"**{plain(name)}**" for name in classes.names]
    if len(names) <= NAMED:
        known = f"{', '.join(names[:-1])} or {names[-1]}"
    else:
        known = f"one of {len(names)} classes, such as {names[0]}, {names[1]} and {names[2]}"
    return f"Labels each pixel of a photograph as {known}. The photograph stays on this machine."


def remembered(model: Predictor, file: ImageFile, log: PredictionLog | None) -> Result:
    """The model's result for the image, computed once. Raises ImageError for an unusable file."""
    results = st.session_state.setdefault("results", {})
    key = (model, file.key)
    if key not in results:
        with st.spinner(f"Labelling {plain(file.name)} …"):
            results[key] = label_image(model, file, log)
    return results[key]


@st.cache_resource
def open_options() -> tuple[Path | None, float]:
    """The folder of `make app LOG=folder`, and the share of pictures to keep."""
    parser = argparse.ArgumentParser("streamlit run tools/app.py --", description=__doc__)
    add_log_options(parser)
    return log_options(parser.parse_args())


@st.cache_resource
def open_log() -> PredictionLog | None:
    """The log that `make app LOG=folder` asks for. Raises UserError if it cannot be written."""
    folder, keep = open_options()
    return PredictionLog(folder, keep) if folder else None


if __name__ == "__main__":
    main()
