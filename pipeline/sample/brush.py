"""Strokes, noise and blurs whose pixels are the same on every processor.

Only whole numbers and exactly rounded arithmetic reach a pixel. So: discs and one-pixel lines
(whole-number algorithms inside Pillow) rather than polygons, box blurs of whole radii rather than
Gaussian ones, enlargements by powers of two (their weights are exact), and no sines.
"""

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Size = tuple[int, int]  # width, height
Triple = tuple[float, float, float]  # x, y, radius
Paint = ImageDraw.ImageDraw

NEUTRAL = 128  # the light value that leaves a colour as it is
SIDES = (-1, 1)  # left and right


class Disc(NamedTuple):
    """A disc: where the brush is, and how thick."""

    x: float
    y: float
    r: float


def sweep(*controls: Triple) -> list[Disc]:
    """The discs along a smooth (Catmull-Rom) path through the controls, close enough to merge."""
    padded = [Disc(*triple) for triple in (controls[0], *controls, controls[-1])]
    discs = [Disc(*map(round, controls[0]))]
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        reach = max(abs(c.x - b.x), abs(c.y - b.y), abs(c.r - b.r))
        steps = int(reach / max(1.0, min(b.r, c.r) / 4)) + 1
        for step in range(1, steps + 1):
            x, y, r = (_spline(*values, step / steps) for values in zip(a, b, c, d, strict=True))
            discs.append(Disc(round(x), round(y), max(0, round(r))))
    return discs


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    square = 2 * a - 5 * b + 4 * c - d
    cube = 3 * (b - c) + d - a
    return b + 0.5 * t * (c - a + t * (square + t * cube))


def dab(paint: Paint, colour: Colour | int, *discs: Triple, wide: float = 1.0) -> None:
    """Paint the discs, each `wide` times as wide as high."""
    for x, y, r in discs:
        left, top, high, across = int(x), int(y), int(r), int(r * wide)
        paint.ellipse((left - across, top - high, left + across, top + high), colour)


def mix(a: Colour, b: Colour, t: float) -> Colour:
    """The colour at `t` (0 to 1) on the way from a to b."""
    return _colour(round(p + (q - p) * t) for p, q in zip(a, b, strict=True))


def scaled(colour: Colour, factor: float) -> Colour:
    """The colour made darker (factor < 1) or lighter (> 1)."""
    return _colour(round(channel * factor) for channel in colour)


def jittered(rng: Random, colour: Colour, amount: int) -> Colour:
    """A colour near this one: brighter or darker by `amount` in 255, and a little off in hue."""
    shift = rng.randint(-amount, amount)
    return _colour(c + shift + rng.randint(-amount // 4, amount // 4) for c in colour)


def _colour(channels: Iterable[int]) -> Colour:
    """Clip to 1..255, never black: black is unpainted (see things.draw_in_front)."""
    red, green, blue = (min(255, max(1, channel)) for channel in channels)
    return red, green, blue


def noise(rng: Random, size: Size, cell: Size, low: int = 0, high: int = 255) -> Image.Image:
    """Smooth random grey (mode L, low-high); `cell` is the size of a grain, in powers of two."""
    columns, rows = size[0] // cell[0] + 2, size[1] // cell[1] + 2
    grains = Image.frombytes("L", (columns, rows), rng.randbytes(columns * rows))
    grains = grains.resize((columns * cell[0], rows * cell[1]), Image.Resampling.BILINEAR)
    left, top = cell[0] // 2, cell[1] // 2
    grey = grains.crop((left, top, left + size[0], top + size[1]))
    return grey.point([low + (high - low) * value // 255 for value in range(256)])


def blurred(image: Image.Image, radius: int) -> Image.Image:
    """Two box blurs: near enough to a Gaussian, and exact."""
    blur = ImageFilter.BoxBlur(radius)
    return image.filter(blur).filter(blur)


def lit(image: Image.Image, light: Image.Image) -> Image.Image:
    """The RGB image under a light map (mode L): NEUTRAL keeps, 0 blackens, 255 doubles."""
    product = np.asarray(image, np.uint16) * np.asarray(light, np.uint16)[..., None]
    return Image.fromarray((product >> 7).clip(max=255).astype(np.uint8))
