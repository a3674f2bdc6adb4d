"""A row of small pictures to choose from, each with a button below it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from PIL import Image, ImageOps

THUMBNAIL = (248, 186)  # pixels: twice what is shown, for screens of a high resolution


@dataclass(frozen=True)
class Entry:
    """A picture to choose, what it shows in words, and what happens to its `key` if chosen."""

    key: str
    picture: Image.Image
    label: str
    alt: str
    choose: Callable[[str], None]
    chosen: bool = False


def show_gallery(key: str, entries: list[Entry]) -> None:
    """As many in a row as there is room for; style.css knows the key."""
    with st.container(key=key, horizontal=True, horizontal_alignment="center"):
        for entry in entries:
            with st.container(width=THUMBNAIL[0] // 2, gap="xsmall"):
                small = ImageOps.fit(entry.picture, THUMBNAIL)
                st.image(small, width=THUMBNAIL[0] // 2, alt=entry.alt)
                st.button(
                    plain(entry.label),
                    key=f"{key} {entry.key}",
                    width="stretch",
                    type="primary" if entry.chosen else "secondary",
                    on_click=entry.choose,
                    args=[entry.key],
                )


def plain(text: object) -> str:
    """The text for a place that takes Markdown, where it shows as it is.

    The names of files and breeds are other people's: one may hold a picture from another machine.
    Words in backticks stay code.
    """
    return re.sub(r"([\\*_{}\[\]()#!|<>~:$&])", r"\\\1", str(text))
