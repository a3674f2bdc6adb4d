"""One picture in a few numbers, none of which shows it: what a row of the prediction log holds.

The same numbers are taken of each test picture when a model is exported (`reference`), so that what
it sees later can be compared with what it was scored on.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.data.classes import Classes
from pipeline.data.images import size_within
from pipeline.deploy.predictor import Array

SIDE = 256  # pixels to which the picture is reduced for its looks: about what networks see
PIXELS = 2**16  # of the mask that are counted at most: every n-th in both directions

# The levels of confidence end below these values of a byte: each halves the doubt, more or less.
# Equal widths would put nearly all pixels of a good model into the last one.
EDGES = (128, 192, 224, 240, 248, 252, 254)
LEVELS = len(EDGES) + 1
LEVEL_OF = np.searchsorted(EDGES, np.arange(256), side="right").astype(np.uint8)

SHARE, CENTRE, LEVEL = "share.", "centre.", "level."  # the beginnings of names


def observe(
    image: Array,
    mask: Array,
    confidence: Array | None,
    classes: Classes,
    size: tuple[int, int] | None = None,
) -> dict[str, float | None]:
    """What is noted of an (H, W, 3) uint8 RGB image and its (H, W) uint8 class ids.

    width, height: pixels, of `size` (height, width) if the image was reduced from it.
    brightness, contrast: mean and standard deviation of the grey values, in [0, 1]. sharpness:
    the strength of the finest detail at SIDE pixels, as a multiple of the contrast; 0 without
    any. share.NAME: of the pixels, for each class. centre.NAME: how far down the class lies in the
    mean, from 0 at the top to 1; None where it is not. confidence: mean probability of the chosen
    classes, from the (H, W) uint8 `confidence`; None without it. level.NAME.k: the share of the
    pixels with that class and a confidence between two EDGES; only of those that occur.
    """
    height, width = size or image.shape[:2]
    seen: dict[str, float | None] = {"width": width, "height": height, **_looks(image)}
    step = max(1, math.ceil(math.sqrt(mask.size / PIXELS)))
    mask = mask[::step, ::step]
    sure = None if confidence is None else confidence[::step, ::step]
    keys = mask.ravel() * np.int64(LEVELS) + (0 if sure is None else LEVEL_OF[sure.ravel()])
    counts = np.bincount(keys, minlength=len(classes) * LEVELS).reshape(-1, LEVELS)
    shares = counts[: len(classes)] / mask.size
    for name, share in zip(classes.names, shares.sum(axis=1).tolist(), strict=True):
        seen[f"{SHARE}{name}"] = round(share, 6)
    seen |= _centres(mask, classes)
    if sure is None:
        return seen | {"confidence": None}
    seen["confidence"] = round(float(sure.mean()) / 255, 6)
    for place, level in zip(*map(np.ndarray.tolist, np.nonzero(shares)), strict=True):
        seen[f"{LEVEL}{classes.names[place]}.{level}"] = round(float(shares[place, level]), 6)
    return seen


def _centres(mask: Array, classes: Classes) -> dict[str, float | None]:
    """How far down each class lies: only this tells a picture that is upside down."""
    height, width = mask.shape
    down = np.repeat((np.arange(height) + 0.5) / height, width)
    pixels = np.bincount(mask.ravel(), minlength=len(classes))
    sums = np.bincount(mask.ravel(), down, minlength=len(classes))
    rows = zip(classes.names, sums.tolist(), pixels.tolist(), strict=False)
    return {f"{CENTRE}{name}": round(total / n, 6) if n else None for name, total, n in rows}


def _looks(image: Array) -> dict[str, float]:
    size = size_within(SIDE, *image.shape[:2])
    small = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2)
    grey = np.asarray(small.convert("L"), np.float32) / 255
    contrast = float(grey.std())
    found = {
        "brightness": float(grey.mean()),
        "contrast": contrast,
        "sharpness": _detail(grey) / contrast if contrast > 1 / 255 else 0.0,
    }
    return {name: round(value, 6) for name, value in found.items()}


def _detail(grey: NDArray[np.floating]) -> float:
    """The standard deviation of the discrete Laplacian, a quarter of it, inside the edges."""
    if min(grey.shape) < 3:
        return 0.0
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((grey[1:-1, 1:-1] - around / 4).std())
