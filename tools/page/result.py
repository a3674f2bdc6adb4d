"""The masks of photographs, in the forms that people look at and download."""

import asyncio
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import PurePath

import numpy as np
import streamlit as st
from PIL import Image

from pipeline.data.classes import Classes
from pipeline.data.images import decode_image, with_palette
from pipeline.deploy.predictor import Array, Predictor
from pipeline.deploy.results import class_shares, cut_out, heat_map, png_of, reduced
from pipeline.monitoring.log import PredictionLog
from pipeline.monitoring.observation import observe
from pipeline.scoring.pictures import colour, overlay
from tools.decoding import decode_apart
from tools.page.gallery import gallery, plain, show_choice
from tools.page.images import ImageFile

LISTED = 10  # classes whose names are shown at once, those with the largest shares
VIEW = 1000  # pixels of the longer side on the page; downloads have the full size
ICON = ":material/download:"


@dataclass(frozen=True)
class Result:
    """A photograph and its mask, small: the file is decoded again for what is downloaded."""

    file: ImageFile
    mask_png: bytes  # the class ids at full size, with a palette, so that they can be seen
    size: tuple[int, int]  # width, height
    image: Array  # (H, W, 3) uint8 RGB of at most VIEW pixels
    mask: Array  # (H, W) uint8, as large
    confidence: Array | None  # (H, W) uint8, 255 for certain; None if the model does not tell it
    classes: Classes
    identity: dict[str, object]  # of the model
    shares: dict[str, float]  # of each class in the whole mask, if it is there; the largest first
    seconds: float  # in the model

    @property
    def has_foreground(self) -> bool:
        return any(self.classes.names[place] in self.shares for place in self.classes.foreground)

    def cut_out_png(self) -> bytes:
        """The foreground on transparent ground, at full size."""
        image = decode_image(io.BytesIO(self.file.content))
        mask = np.array(Image.open(io.BytesIO(self.mask_png)))
        return png_of(cut_out(image, mask, self.classes), self.identity)

    def overlay(self, opacity: float = 0.45) -> Image.Image:
        return overlay(self.image, self.mask, self.classes, opacity)

    def in_words(self) -> str:
        shown = [f"{name} {percent(share)}" for name, share in self.shares.items()]
        more = [f"and {len(shown) - LISTED} more"] if len(shown) > LISTED else []
        return ", ".join(shown[:LISTED] + more)


def percent(share: float) -> str:
    """A share of (0, 1] for people; a small one must not look like none."""
    return "<0.1%" if share < 0.0005 else f"{share:.1%}"


def label_image(model: Predictor, file: ImageFile, log: PredictionLog | None) -> Result:
    """Label the photograph, and note it in the log. Raises ImageError for an unusable file."""
    image, _, kind = asyncio.run(decode_apart(file.content))
    classes = model.classes
    mask, confidence, seconds = model.predict(image)
    if log is not None:
        seen = observe(image, mask, confidence, classes)
        log.write(model.identity, seen, format=kind, seconds=seconds, image=image)
    view, small, *sure = reduced(VIEW, image, mask, *([] if confidence is None else [confidence]))
    return Result(
        file,
        mask_png=png_of(with_palette(mask, classes.palette), model.identity),
        size=mask.shape[::-1],
        image=view,
        mask=small,
        confidence=sure[0] if sure else None,
        classes=classes,
        identity=model.identity,
        shares=dict(sorted(class_shares(mask, classes).items(), key=lambda found: -found[1])),
        seconds=seconds,
    )


def show_results(results: Mapping[str, Result]) -> None:
    """Show one result large; of several, the one that people choose, at first the newest."""
    state = st.session_state
    newest = [key for key in results if key not in state.get("seen", ())]
    state["seen"] = [*results]
    if newest or state["shown"] not in results:
        state["shown"] = [*newest, *results][0]
    shown = results[state["shown"]]
    if len(results) > 1:
        with gallery("results"):
            for key, result in results.items():
                picture, name = result.overlay(), result.file.name
                look = "primary" if result is shown else "secondary"
                settings = {"key": f"result {key}", "type": look, "on_click": partial(_show, key)}
                show_choice(picture, name, f"{name}: {result.in_words()}", **settings)
        pack = partial(pack_results, [*results.values()])
        label = f"Download all {len(results)} results"
        st.download_button(label, pack, "results.zip", on_click="ignore", icon=ICON)
        st.subheader(plain(shown.file.name), anchor=False)
    show_result(shown)


def _show(key: str) -> None:
    st.session_state["shown"] = key


def pack_results(results: list[Result]) -> bytes:
    """A zip archive of all masks and cut-outs, numbered, as two files may have one name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for number, result in enumerate(results, start=1):
            stem = re.sub(r"[^\w.-]+", "_", PurePath(result.file.name).stem)[:80]
            packed.writestr(f"{number:02}-{stem}.mask.png", result.mask_png)
            if result.has_foreground:
                name = f"{number:02}-{stem}.{file_name(result.classes)}"
                packed.writestr(name, result.cut_out_png())
    return stream.getvalue()


def file_name(classes: Classes) -> str:
    """The name of a cut-out, such as pet.png."""
    return f"{classes.subject.replace(' ', '_')}.png"


@st.fragment  # so that the slider draws the overlay again, and nothing else
def show_result(result: Result) -> None:
    """Show the result, and offer the mask and, if there is foreground, its cut-out as files."""
    st.html(_legend(result))
    large, small = st.columns([5, 3])
    with large:
        picture = st.empty()
        opacity = st.slider("Opacity of the mask", 0, 100, 45, format="%d %%")
        alt = f"{result.file.name}, tinted by class: {result.in_words()}"
        picture.image(result.overlay(opacity / 100), "Overlay", width="stretch", alt=alt)
    with small:
        # The files are made on demand.
        offer = partial(st.download_button, on_click="ignore", icon=ICON, width="stretch")
        classes, subject = result.classes, result.classes.subject
        if result.has_foreground:
            with st.container(key="cut-out"):  # on a chequerboard: style.css
                cut = cut_out(result.image, result.mask, classes)
                alt = f"The {subject} without its background"
                st.image(cut, "Cut-out", width="stretch", alt=alt)
            offer("Download the cut-out", result.cut_out_png, file_name(classes))
        elif classes.foreground:
            nothing = f"No {plain(subject)} was found in this photograph."
            st.info(nothing, icon=":material/search_off:")
        alt = f"The mask, in the colours of the classes: {result.in_words()}"
        st.image(colour(result.mask, classes), "Mask", width="stretch", alt=alt)
        offer("Download the mask", result.mask_png, "mask.png")
        if result.confidence is not None:
            share = percent(float(result.confidence.mean()) / 255)
            caption = f"Confidence, {share} on average: light where the model is sure"
            heat = heat_map(result.confidence).convert("RGB")
            st.image(heat, caption, width="stretch", alt=caption)


def _legend(result: Result) -> str:
    """HTML: a bar of the classes' shares; below it their names, the image's size and the time.

    If there are many classes, the smallest are folded up behind their number and sum.
    """
    colours = {entry.name: entry.colour for entry in result.classes.entries}
    bar, names = "", []
    for name, share in result.shares.items():
        ground = f"background:{colours[name]}"
        bar += f'<span style="{ground};width:{share:.2%}"></span>'
        words = f"{escape(name)} <b>{escape(percent(share))}</b>"
        names.append(f'<span><i style="{ground}"></i>{words}</span>')
    folded = ""
    if tail := names[LISTED:]:
        rest = percent(sum([*result.shares.values()][LISTED:]))
        summary = f"and {len(tail)} more, {escape(rest)} together"
        folded = f"<details><summary>{summary}</summary>{''.join(tail)}</details>"
    width, height = result.size
    number, digest = result.identity["version"], result.identity["digest"]
    origin = f"model {digest}" if number is None else f"version {number}, {digest}"
    facts = f"{width}x{height} pixels, {1000 * result.seconds:,.0f} ms in the model ({origin})"
    return (
        f'<div class="shares">{bar}</div><div class="classes">{"".join(names[:LISTED])}'
        f"<small>{facts}</small>{folded}</div>"
    )
