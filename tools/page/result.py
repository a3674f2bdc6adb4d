"""The mask of a photograph, in the forms that people look at and download."""

import io
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st
from PIL import Image

from pipeline.data.images import size_within, with_palette
from pipeline.data.pets import CLASSES, PALETTE, PET
from pipeline.deploy.predictor import Array
from pipeline.deploy.results import COMPRESSION, cut_out
from pipeline.scoring.pictures import colour, overlay

VIEW = 1000  # pixels of the longer side on the page; downloads have the full size
ICON = ":material/download:"


@dataclass(frozen=True)
class Result:
    """An image (H, W, 3) uint8 RGB, its mask (H, W) uint8, and how long the model took."""

    image: Array
    mask: Array
    seconds: float

    def view(self) -> "Result":
        """The same, small enough to be sent to the browser again and again."""
        size = size_within(VIEW, *self.mask.shape)
        image = Image.fromarray(self.image).resize(size, Image.Resampling.BOX)
        mask = Image.fromarray(self.mask).resize(size, Image.Resampling.NEAREST)
        return Result(np.array(image), np.array(mask), self.seconds)

    def cut_out_png(self) -> bytes:
        """The pet on transparent ground, at full size."""
        return _png(cut_out(self.image, self.mask))

    def mask_png(self) -> bytes:
        """The class ids at full size, with the PALETTE, so that they can be seen."""
        return _png(with_palette(self.mask))


@st.fragment  # so that the slider draws the overlay again, and nothing else
def show_result(result: Result) -> None:
    """Show the result, and offer mask and cut-out as files."""
    st.html(_legend(result))
    view = result.view()
    large, small = st.columns([5, 3])
    with large:
        picture = st.empty()
        opacity = st.slider("Opacity of the mask", 0, 100, 45, format="%d %%")
        tinted = overlay(view.image, view.mask, opacity / 100)
        picture.image(tinted, "Overlay", width="stretch")
    with small:
        # The files are made on demand.
        offer = partial(st.download_button, on_click="ignore", icon=ICON, width="stretch")
        if (result.mask == PET).any():
            with st.container(key="cut-out"):  # on a chequerboard: style.css
                st.image(cut_out(view.image, view.mask), "Cut-out", width="stretch")
            offer("Download the cut-out", result.cut_out_png, "pet.png")
        else:
            st.info("No pet was found in this photograph.", icon=":material/search_off:")
        st.image(colour(view.mask), "Mask", width="stretch")
        offer("Download the mask", result.mask_png, "mask.png")


def _legend(result: Result) -> str:
    """HTML: a bar of the classes' shares; below it their names, the image's size and the time."""
    bar, names = "", ""
    shares = np.bincount(result.mask.ravel(), minlength=len(CLASSES)) / result.mask.size
    for name, share, rgb in zip(CLASSES, shares, PALETTE, strict=True):
        ground = "background:#{:02x}{:02x}{:02x}".format(*rgb)
        bar += f'<span style="{ground};width:{share:.2%}"></span>'
        names += f'<span><i style="{ground}"></i>{name} <b>{share:.1%}</b></span>'
    height, width = result.mask.shape
    facts = f"{width}x{height} pixels, {1000 * result.seconds:,.0f} ms in the model"
    return (
        f'<div class="shares">{bar}</div><div class="classes">{names}<small>{facts}</small></div>'
    )


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=COMPRESSION)
    return stream.getvalue()
