"""The mask of a photograph, in the forms that people look at and take away."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from pipeline.data.images import with_palette
from pipeline.data.pets import CLASSES, PALETTE
from pipeline.deploy.cutout import cut_out
from pipeline.deploy.mask import predict_mask
from pipeline.deploy.predictor import Predictor
from pipeline.scoring.pictures import colour, overlay

VIEW = 1000  # pixels of the longer side that the page shows; what it hands out has all of them
SQUARE = 12  # pixels of the chequerboard behind what is transparent
COMPRESSION = 1  # of zlib's levels the quickest


@dataclass(frozen=True)
class Result:
    """A photograph (H, W, 3) uint8 RGB, its mask (H, W) uint8, and how long the model took."""

    photograph: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    seconds: float

    def shares(self) -> dict[str, float]:
        """The share of the pixels by class, in [0, 1]."""
        counts = np.bincount(self.mask.ravel(), minlength=len(CLASSES))
        return dict(zip(CLASSES, counts / self.mask.size, strict=True))

    def view(self) -> "Result":
        """The same, small enough to be sent to the browser again and again."""
        height, width = self.mask.shape
        scale = VIEW / max(height, width)
        if scale >= 1:
            return self
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        photograph = Image.fromarray(self.photograph).resize(size, Image.Resampling.BOX)
        mask = Image.fromarray(self.mask).resize(size, Image.Resampling.NEAREST)
        return Result(np.array(photograph), np.array(mask), self.seconds)

    def cut_out_png(self) -> bytes:
        """The pet on transparent ground, at full size."""
        return _png(cut_out(self.photograph, self.mask))

    def mask_png(self) -> bytes:
        """The class ids at full size, with the PALETTE, so that it can be looked at."""
        return _png(with_palette(self.mask))


def segment(predictor: Predictor, photograph: NDArray[np.uint8]) -> Result:
    """(H, W, 3) uint8 RGB to its result."""
    start = perf_counter()
    mask = predict_mask(predictor, photograph)
    return Result(photograph, mask, perf_counter() - start)


@st.fragment  # so that the slider draws the overlay again, and nothing else
def show_result(result: Result) -> None:
    """Show the result, and offer mask and cut-out as files."""
    st.html(_legend(result))
    view = result.view()
    large, small = st.columns([5, 3])
    with large:
        picture = st.empty()
        opacity = st.slider("Opacity of the mask", 0, 100, 45, format="%d %%")
        tinted = overlay(view.photograph, view.mask, opacity / 100)
        picture.image(tinted, "Overlay", width="stretch")
    with small:
        cut = cut_out(view.photograph, view.mask)
        st.image(_on_chequerboard(cut), "Cut-out", width="stretch")
        _offer("Download the cut-out", "pet.png", result.cut_out_png)
        st.image(colour(view.mask), "Mask", width="stretch")
        _offer("Download the mask", "mask.png", result.mask_png)


def _offer(label: str, name: str, content: Callable[[], bytes]) -> None:
    """A button that downloads a PNG, which is made when it is wanted."""
    icon = ":material/download:"
    st.download_button(
        label, content, name, "image/png", icon=icon, width="stretch", on_click="ignore"
    )


def _legend(result: Result) -> str:
    """A bar of the classes' shares, and below it their names, the picture's size and the time."""
    bar, names = "", ""
    for (name, share), rgb in zip(result.shares().items(), PALETTE, strict=True):
        ground = "background:#{:02x}{:02x}{:02x}".format(*rgb)
        bar += f'<span style="{ground};width:{share:.2%}"></span>'
        names += f'<span><i style="{ground}"></i>{name} <b>{share:.1%}</b></span>'
    height, width = result.mask.shape
    facts = f"{width}x{height} pixels, {1000 * result.seconds:,.0f} ms in the model"
    return (
        f'<div class="shares">{bar}</div><div class="classes">{names}<small>{facts}</small></div>'
    )


def _on_chequerboard(cut: Image.Image) -> Image.Image:
    rows, columns = (np.arange(side) // SQUARE for side in (cut.height, cut.width))
    light = (rows[:, None] + columns) % 2 == 0
    board = Image.fromarray(np.where(light, 255, 215).astype(np.uint8)).convert("RGB")
    board.paste(cut, mask=cut)
    return board


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=COMPRESSION)
    return stream.getvalue()
