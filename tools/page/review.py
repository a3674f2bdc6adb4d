"""The page where people judge suspicious masks: one pair at a time, a key for each decision.

`make labels` ranks the pairs; decisions go into labels/, which is an input of extract.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pipeline.core.git import committer
from pipeline.core.layout import LABELS, PAIRS, SUSPECTS
from pipeline.core.terminal import UserError
from pipeline.data.classes import IGNORE, Classes, read_classes
from pipeline.data.pairs import locate, mask_of, pair_of
from pipeline.data.reviewed import Verdict
from pipeline.deploy.predictor import Array
from pipeline.deploy.results import reduced
from pipeline.ingest.annotation import mask_png
from pipeline.ingest.decisions import Held, Review, change, held, read_reviews
from pipeline.ingest.reviews import decided_names, mask_digests, read_mask
from pipeline.scoring.confusion import count_pairs
from pipeline.scoring.pictures import error_map, overlay
from pipeline.scoring.suspects import read_suspects
from tools.labelling.exporting import STALE, require_ranking
from tools.page.gallery import plain

ANY = "any"  # of a filter
VIEW = 700  # pixels of a picture's longer side
TEST_RULE = "In the test list: say why. Decisions on it are counted beside the scores."

Row = Mapping[Any, Any]  # of the table that `make labels` writes
Step = Callable[[], Callable[[], object]]  # what a key does; returns what takes it back


def review_page() -> None:
    steps_page("Review labels", "decisions", show_next)


def steps_page(title: str, kind: str, show: Callable[[], None]) -> None:
    """A page where each key takes a step, which can be undone.

    kind: the steps' name in the session. show: draws the content; raises UserError if it cannot.
    """
    st.title(title, anchor=False)
    if said := st.session_state.pop("said", None):
        st.warning(plain(said))
    steps = st.session_state.setdefault(kind, [])
    try:
        show()
    except UserError as error:
        st.error(plain(error), icon=":material/error:")
        if "current" in st.session_state:  # the next one may be in order
            st.button("Next", shortcut="N", on_click=pass_over, key="pass over")
    st.button("Undo", shortcut="U", on_click=undo, args=(kind,), disabled=not steps, key="undo")


def show_next() -> None:
    """Show the next pair that nobody has decided about. Raises UserError if it cannot be shown."""
    classes, reviewer = read_classes(PAIRS), committer(Path())
    suspects = read_suspects(SUSPECTS)
    table = choose_rows(suspects, classes.groups)
    digests, reviews = digests_of((PAIRS / "index.csv").stat().st_mtime_ns), read_reviews(LABELS)
    require_ranking(suspects["name"], digests)
    decided = decided_names(reviews, digests)
    waiting = [name for name in table["name"] if name in digests and name not in decided]
    total = int(table["name"].isin(digests).sum())
    done = total - len(waiting)
    st.progress(done / total if total else 1.0, f"{done} of {total} decided")
    if waiting:
        name = choose_name(waiting)
        row = table[table["name"] == name].iloc[0].to_dict()
        show_pair(row, Review(name, digests[name], "", reviewer, ""), reviews.get(name), classes)
    else:
        st.success("Nothing is left to decide here.")


def choose_rows(table: pd.DataFrame, groups: tuple[str, ...]) -> pd.DataFrame:
    """The rows, the most suspicious first, that fit what people choose in the sidebar."""
    with st.sidebar:
        for column in ("kind", "list", *(group for group in groups if group in table)):
            labels = [ANY, *sorted(table[column].astype(str).unique())]
            if len(labels) > 2:
                chosen = st.selectbox(plain(column), labels, key=f"filter {column}")
                table = table[table[column].astype(str).eq(chosen) | (chosen == ANY)]
    return table


@st.cache_resource(max_entries=1, show_spinner=False)
def digests_of(modified: int) -> dict[str, str]:
    """The masks' digests, read again only when index.csv was modified."""
    return mask_digests(PAIRS)


@st.cache_resource
def claims() -> tuple[Lock, dict[str, tuple[str, str]]]:
    """The pair that each open page shows, so that two reviewers get different ones.

    By page, with the session that it is in: a page that is loaded again is another one.
    """
    return Lock(), {}


def choose_name(waiting: list[str]) -> str:
    """The pair to show: the one that is shown already, else the first that no other page shows.

    Those that people passed over come again when no others are left.
    """
    state = st.session_state
    own = state.setdefault("page", secrets.token_hex(8))
    passed = state.setdefault("passed", set())
    if passed.issuperset(waiting):
        passed.clear()
    lock, claimed = claims()
    context = get_script_run_ctx()
    with lock:
        for page, (_, session) in [*claimed.items()]:
            if runtime.exists() and not runtime.get_instance().is_active_session(session):
                del claimed[page]
        if state.get("current") not in waiting:
            others = {name for page, (name, _) in claimed.items() if page != own}
            fresh = [name for name in waiting if name not in passed]
            state["current"] = [*(name for name in fresh if name not in others), *fresh][0]
        claimed[own] = state["current"], context.session_id if context else ""
    return state["current"]


def show_pair(row: Row, blank: Review, before: Review | None, classes: Classes) -> None:
    """Show the pair, and a button with a key for each decision.

    blank: the review to be, without decision and reason. before: one about an earlier mask.
    """
    name = blank.name
    image, mask = pair_of(name, PAIRS)
    predicted = mask_of(name, SUSPECTS)  # of a model that was not trained on the pair
    if predicted.shape != mask.shape:
        raise UserError(STALE)
    pictures = st.container()  # filled last: whoever sees them sees the buttons of this pair
    if before is not None:
        st.info(plain(f"The mask has changed since {before.reviewer} decided: {before.decision}"))
    testing = row["list"] == "test"
    rule = TEST_RULE if testing else None
    st.text_input("Reason", max_chars=1000, key=f"reason {name}", help=rule)
    take, show_key = partial(decide, blank, before, testing), partial(step_key, "decisions", name)
    with st.container(horizontal=True):
        show_key("Right as it is", "A", partial(take, Verdict.RIGHT))
        show_key("Leave out", "L", partial(take, Verdict.LEAVE_OUT))
        guess = np.where(mask == IGNORE, mask, predicted)  # what nobody could label stays so
        show_key("Take the model's mask", "M", partial(take, Verdict.MODEL, guess))
        st.button("Next", shortcut="N", on_click=pass_over, key=f"N {name}")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first, second = likely_swap(mask, predicted, len(classes))
        one = st.selectbox("Class", classes.names, first, key=f"one {name}", width=200)
        other = st.selectbox("and class", classes.names, second, key=f"other {name}", width=200)
        show_key("are swapped", "S", partial(take, f"{Verdict.SWAP}:{one},{other}"))
    drawn = uploaded_mask(name, image, classes)
    if drawn is not None:
        show_key("Take this file", "F", partial(take, Verdict.FILE, drawn))
    with pictures:
        show_facts(row)
        show_pictures(image, mask, predicted, classes)


def show_facts(row: Row) -> None:
    facts = f"{row['list']}, {row['kind']}, score {row['score']:.3f}, {row['share']:.1%} disputed"
    st.markdown(f"**{plain(row['name'])}** {plain(facts)}")


def uploaded_mask(name: str, image: Array, classes: Classes) -> Array | None:
    """The mask that people upload for the pair, if they do, and if it fits."""
    file = st.file_uploader("Another mask, of class ids", "png", key=f"file {name}")
    if not file:
        return None
    try:
        mask = read_mask(file, Path(file.name), classes, image.shape[:2])
    except UserError as error:
        st.error(plain(error), icon=":material/error:")
        return None
    photograph, drawn = reduced(VIEW, image, mask)
    st.image(overlay(photograph, drawn, classes), "This file", width=VIEW // 2)
    return mask


def step_key(kind: str, name: str, label: str, letter: str, step: Step) -> None:
    """A button that the letter presses, too. It is another one for each pair."""
    args = (kind, name, step)
    st.button(label, shortcut=letter, on_click=take_step, args=args, key=f"{letter} {name}")


def show_pictures(image: Array, mask: Array, predicted: Array, classes: Classes) -> None:
    photograph, truth, guess = reduced(VIEW, image, mask, predicted)
    pictures = {
        "Photograph": Image.fromarray(photograph),
        "Mask": overlay(photograph, truth, classes),
        "Model": overlay(photograph, guess, classes),
        "Where they differ": error_map(photograph, truth, guess, classes),
    }
    for column, (caption, picture) in zip(st.columns(4), pictures.items(), strict=True):
        column.image(picture, caption, width="stretch", alt=caption)


def likely_swap(mask: Array, predicted: Array, classes: int) -> tuple[int, int]:
    """The two classes whose exchange in the mask would bring it nearest to the prediction."""
    counts = count_pairs(mask, predicted, classes)
    right = np.diag(counts)
    gain = np.triu(counts + counts.T - right[:, None] - right + mask.size + 1, 1)  # above 0
    one, other = np.unravel_index(gain.argmax(), gain.shape)
    return int(one), int(other)


def decide(
    blank: Review, before: Review | None, testing: bool, decision: str, mask: Array | None = None
) -> Callable[[], object]:
    """Write the decision, and the mask that it needs; return what takes it back."""
    name, reason = blank.name, " ".join(st.session_state[f"reason {blank.name}"].split())
    if testing and not reason and decision != Verdict.RIGHT:
        raise UserError(TEST_RULE)
    review = replace(blank, decision=str(decision), reason=reason)
    new = Held(review, None if mask is None else mask_png(mask, read_classes(PAIRS)))
    old = Held(before, held(LABELS, name).mask)
    judged = locate("mask", name, PAIRS).read()
    if hashlib.sha256(judged).hexdigest() != blank.mask_sha256:
        raise UserError(f"{name}: its mask has changed: look at it again")
    change(LABELS, name, old, new)
    return partial(change, LABELS, name, new, old)


def take_step(kind: str, name: str, step: Step) -> None:
    """Do what a key says, and note what takes it back; what prevents that is said on the page."""
    state = st.session_state
    if state.get("current") != name:
        return  # a key that was pressed twice
    try:
        state[kind].append((name, step()))
    except (UserError, OSError) as error:  # such as a full disk, or another reviewer
        state["said"] = str(error)
    else:
        del state["current"]


def pass_over() -> None:
    state = st.session_state
    if "current" in state:  # not twice, by a key that was pressed twice
        state["passed"].add(state.pop("current"))


def undo(kind: str) -> None:
    """Take this page's latest step back, and show its picture again."""
    state = st.session_state
    if not state[kind]:
        return  # a key that was pressed twice
    name, back = state[kind].pop()
    try:
        back()
    except (UserError, OSError) as error:
        state["said"] = str(error)
        if isinstance(error, OSError):  # such as a full disk: it can be tried again
            state[kind].append((name, back))
    else:
        state["current"] = name
