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
# Machado, Oliveira and Fernandes 2009: what linear RGB looks like without green cones.
DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)
XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))  # of sRGB
LIGHTNESS = (30, 95)  # of new colours, in 0..100: neither nearly black nor nearly white


def rgb(colour: str) -> RGB:
    """(230, 159, 0) of "#e69f00"."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def in_hex(colour: Iterable[int]) -> str:
    """The text "#e69f00" of (230, 159, 0)."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def distinct_colours(given: Sequence[str | None]) -> list[str]:
    """The given colours, and for each None one that differs from all others as far as it can.

    Each new colour is, of a grid in RGB, the one whose nearest neighbour is farthest, in CIELAB
    (CIE 1976), as seen by usual eyes and by those that lack green cones, the most common kind
    of colour blindness. White, black and the grey of ignored pixels are taken, too. The same on
    every machine.
    """
    import numpy as np  # noqa: PLC0415 - `--help` needs none

    def seen(colours: np.ndarray) -> np.ndarray:
        """(N, 3) in 0..255 to (2, N, 3) in CIELAB: by usual eyes, and without green cones."""
        linear = (colours / 255) ** 2.2
        both = np.stack([linear, (linear @ np.transpose(DEUTERANOPIA)).clip(0, 1)])
        ratio = np.cbrt(both @ np.transpose(XYZ) / np.sum(XYZ, axis=1) + 1e-4)
        x, y, z = np.moveaxis(ratio, -1, 0)
        return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)

    steps = np.arange(15, 256, 20)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    lightness = seen(grid)[0, :, 0]
    grid = grid[(lightness > LIGHTNESS[0]) & (lightness < LIGHTNESS[1])]
    candidates = seen(grid)
    nearest = np.full(len(grid), np.inf)

    def keep_clear(colour: RGB) -> None:
        distances = np.linalg.norm(candidates - seen(np.array([colour])), axis=-1)
        np.minimum(nearest, distances.min(axis=0).round(6), out=nearest)

    for taken in ("#ffffff", "#000000", UNNAMED, *filter(None, given)):
        keep_clear(rgb(taken))
    found = []
    for colour in given:
        if colour is None:
            red, green, blue = grid[nearest.argmax()].tolist()
            keep_clear((red, green, blue))
            colour = in_hex((red, green, blue))  # noqa: PLW2901
        found.append(colour)
    return found
