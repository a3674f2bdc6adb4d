"""A row of small pictures to choose from, each with a button below it."""

import re
from typing import Any

import streamlit as st
from PIL import Image, ImageOps
from streamlit.delta_generator import DeltaGenerator

THUMBNAIL = (248, 186)  # pixels: twice what is shown, for screens of a high resolution


def gallery(key: str) -> DeltaGenerator:
    """A row for `show_choice`: as many as there is room for. style.css knows the key."""
    return st.container(key=key, horizontal=True, horizontal_alignment="center")


def show_choice(picture: Image.Image, label: str, alt: str, **button: Any) -> None:
    """Show the picture, which `alt` describes, and a button with the label and these settings."""
    with st.container(width=THUMBNAIL[0] // 2, gap="xsmall"):
        st.image(ImageOps.fit(picture, THUMBNAIL), width=THUMBNAIL[0] // 2, alt=alt)
        st.button(plain(label), width="stretch", **button)


def plain(text: object) -> str:
    """The text for a place that takes Markdown, where it shows as it is.

    The names of files and classes are other people's: one may hold a picture from another machine.
    Words in backticks stay code.
    """
    return re.sub(r"([\\*_{}\[\]()#!|<>~:$&])", r"\\\1", str(text))
