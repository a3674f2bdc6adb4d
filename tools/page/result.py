"""The masks of photographs, in the forms that people look at and download."""

import asyncio
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from time import perf_counter

import numpy as np
import streamlit as st
from PIL import Image

from pipeline.data.images import decode_image, size_within, with_palette
from pipeline.data.pairs import CLASSES, PALETTE, PET
from pipeline.deploy.predictor import Array, Predict, predict_mask
from pipeline.deploy.results import COMPRESSION, cut_out
from pipeline.scoring.pictures import colour, overlay
from tools.decoding import decode_apart
from tools.page.gallery import gallery, plain, show_choice
from tools.page.images import ImageFile

VIEW = 1000  # pixels of the longer side on the page; downloads have the full size
ICON = ":material/download:"


@dataclass(frozen=True)
class Result:
    """A photograph and its mask, small: the file is decoded again for what is downloaded."""

    file: ImageFile
    mask_png: bytes  # the class ids at full size, with the PALETTE, so that they can be seen
    size: tuple[int, int]  # width, height
    image: Array  # (H, W, 3) uint8 RGB of at most VIEW pixels
    mask: Array  # (H, W) uint8, as large
    shares: dict[str, float]  # of each class in the whole mask
    seconds: float  # in the model

    @property
    def has_pet(self) -> bool:
        return self.shares[CLASSES[PET]] > 0

    def cut_out_png(self) -> bytes:
        """The pet on transparent ground, at full size."""
        image = decode_image(io.BytesIO(self.file.content))
        return _png(cut_out(image, np.array(Image.open(io.BytesIO(self.mask_png)))))

    def in_words(self) -> str:
        return ", ".join(f"{name} {share:.1%}" for name, share in self.shares.items())


def find_pet(model: Predict, file: ImageFile) -> Result:
    """Label the photograph. Raises ImageError for a file that cannot be used."""
    image, _ = asyncio.run(decode_apart(file.content))
    start = perf_counter()
    mask = predict_mask(model, image)
    seconds = perf_counter() - start
    size = size_within(VIEW, *mask.shape)
    view = np.array(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    small = np.array(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    shares = np.bincount(mask.ravel(), minlength=len(CLASSES)) / mask.size
    named = dict(zip(CLASSES, shares.tolist(), strict=True))
    height, width = mask.shape
    return Result(file, _png(with_palette(mask)), (width, height), view, small, named, seconds)


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
                picture, name = overlay(result.image, result.mask), result.file.name
                look = "primary" if result is shown else "secondary"
                settings = {"key": f"result {key}", "type": look, "on_click": partial(_show, key)}
                show_choice(picture, name, f"{name}: {result.in_words()}", **settings)
        pack = partial(pack_results, [*results.values()])
        label = f"Download all {len(results)} results"
        st.download_button(label, pack, "pets.zip", on_click="ignore", icon=ICON)
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
            if result.has_pet:
                packed.writestr(f"{number:02}-{stem}.pet.png", result.cut_out_png())
    return stream.getvalue()


@st.fragment  # so that the slider draws the overlay again, and nothing else
def show_result(result: Result) -> None:
    """Show the result, and offer mask and cut-out as files."""
    st.html(_legend(result))
    large, small = st.columns([5, 3])
    with large:
        picture = st.empty()
        opacity = st.slider("Opacity of the mask", 0, 100, 45, format="%d %%")
        tinted = overlay(result.image, result.mask, opacity / 100)
        alt = f"{result.file.name}, with pet and border tinted: {result.in_words()}"
        picture.image(tinted, "Overlay", width="stretch", alt=alt)
    with small:
        # The files are made on demand.
        offer = partial(st.download_button, on_click="ignore", icon=ICON, width="stretch")
        if result.has_pet:
            with st.container(key="cut-out"):  # on a chequerboard: style.css
                cut = cut_out(result.image, result.mask)
                st.image(cut, "Cut-out", width="stretch", alt="The pet without its background")
            offer("Download the cut-out", result.cut_out_png, "pet.png")
        else:
            st.info("No pet was found in this photograph.", icon=":material/search_off:")
        alt = f"The mask, in the colours of the classes: {result.in_words()}"
        st.image(colour(result.mask), "Mask", width="stretch", alt=alt)
        offer("Download the mask", result.mask_png, "mask.png")


def _legend(result: Result) -> str:
    """HTML: a bar of the classes' shares; below it their names, the image's size and the time."""
    bar, names = "", ""
    for (name, share), rgb in zip(result.shares.items(), PALETTE, strict=True):
        ground = "background:#{:02x}{:02x}{:02x}".format(*rgb)
        bar += f'<span style="{ground};width:{share:.2%}"></span>'
        names += f'<span><i style="{ground}"></i>{name} <b>{share:.1%}</b></span>'
    width, height = result.size
    facts = f"{width}x{height} pixels, {1000 * result.seconds:,.0f} ms in the model"
    return (
        f'<div class="shares">{bar}</div><div class="classes">{names}<small>{facts}</small></div>'
    )


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=COMPRESSION)
    return stream.getvalue()
