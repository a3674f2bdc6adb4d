"""Colours of classes: as text, and chosen so that people can tell them apart."""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import AfterValidator


def is_colour(text: str) -> bool:
    return re.fullmatch("#[0-9a-fA-F]{6}", text) is not None


def _colour(text: str) -> str:
    if not is_colour(text):
        raise ValueError(f'{text!r} is no colour such as "#ff8000"')
    return text


Colour = Annotated[str, AfterValidator(_colour)]
RGB = tuple[int, int, int]

UNNAMED = "#808080"  # what a picture shows for ignored pixels: grey


def rgb(colour: str) -> RGB:
    """(230, 159, 0) of "#e69f00"."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def in_hex(colour: Iterable[int]) -> str:
    """The text "#e69f00" of (230, 159, 0)."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def voc_colour(number: int) -> RGB:
    """Pascal VOC's colour of a number, from 1: by threes, the number's bits, the lowest on top."""
    red, green, blue = (
        sum((number >> 3 * place + channel & 1) << 7 - place for place in range(8))
        for channel in range(3)
    )
    return red, green, blue


def distinct_colours(given: Sequence[str | None]) -> list[str]:
    """The given colours, and for each None the next of VOC's (to 255) that no other has.

    White, black and the grey of ignored pixels are taken, too.
    """
    taken = {"#ffffff", "#000000", UNNAMED, *(colour.lower() for colour in given if colour)}
    colours = (in_hex(voc_colour(number)) for number in range(1, 256))
    free = (colour for colour in colours if colour not in taken)
    return [colour or next(free) for colour in given]
