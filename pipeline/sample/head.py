"""Heads: ears, skull and muzzle in fur, and the face that is painted on the finished animal."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

from PIL import Image, ImageDraw
from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT, check_values
from pipeline.sample.brush import SIDES, Colour, Disc, Triple, dab, mix, scaled, sweep
from pipeline.sample.layers import Layers
from pipeline.sample.looks import Breed, Coat, read_book

ROSY, DARK = (214, 150, 142), (70, 50, 52)
COLLARS = ((178, 42, 40), (40, 84, 150), (46, 120, 84), (60, 54, 52))
COLOURS = {  # that all heads have
    "night": (26, 22, 24),
    "shine": (255, 255, 255),
    "gloss": (150, 146, 150),
    "whisker": (236, 234, 230),
    "tongue": (226, 112, 118),
    "brass": (214, 178, 84),
}


@dataclass(frozen=True, config=STRICT)
class Stroke:
    """One sweep of the brush in the coordinates of a head (see heads.toml)."""

    colour: str  # a part or a mark of the coat, or one that `palette` adds
    path: tuple[Triple, ...]
    more: tuple[Triple, ...] = ((0, 0, 0),)  # one for all discs of the path, or one for each
    by: Literal["muzzle", "hair", "ear"] = "muzzle"  # the breed's measure that multiplies it
    depth: float = 0  # what lies nearer to us moves more when the head turns
    tone: float = 1  # how much lighter than its colour
    opacity: float = 1  # of a mark
    wide: float = 1  # of what is painted on the face: the discs' width by height
    both: bool = False  # on both sides


@cache
def heads() -> dict[str, dict[str, tuple[Stroke, ...]]]:
    """The strokes by species, or `ears` or `both`, and step."""
    kind = dict[str, dict[str, tuple[Stroke, ...]]]
    return check_values(read_book("heads.toml"), kind, Path("heads.toml"))


class Head(NamedTuple):
    """One head in place: its disc on the canvas, how it is turned, and its colours."""

    layers: Layers
    disc: Disc
    turn: float  # of the face: -1 to the left ... 1 to the right
    lean: float  # the tangent of half the angle
    breed: Breed
    palette: dict[str, Colour]

    def at(self, u: float, v: float, r: float, depth: float) -> Disc:
        """Head coordinates to the canvas."""
        u += self.turn * depth
        square = self.lean * self.lean  # a rotation without sines: exact everywhere
        cos, sin = (1 - square) / (1 + square), 2 * self.lean / (1 + square)
        x, y, size = self.disc
        return Disc(x + size * (cos * u - sin * v), y + size * (sin * u + cos * v), r * size)

    def strokes(self, group: str, step: str) -> Iterator[tuple[Stroke, Colour, list[Disc]]]:
        """The strokes of a step whose colours this head has, with their paths on the canvas."""
        for stroke in heads()[group][step]:
            if stroke.colour in self.palette:
                colour = scaled(self.palette[stroke.colour], stroke.tone)
                for side in SIDES if stroke.both else (1,):
                    yield stroke, colour, self._path(stroke, side)

    def _path(self, stroke: Stroke, side: int) -> list[Disc]:
        measure = getattr(self.breed, stroke.by)
        more = stroke.more * (len(stroke.path) // len(stroke.more))
        path = [
            [value + measure * extra for value, extra in zip(*pair, strict=True)]
            for pair in zip(stroke.path, more, strict=True)
        ]
        return [self.at(side * u, v, r, stroke.depth) for u, v, r in path]


def palette(breed: Breed, coat: Coat, rng: Random) -> dict[str, Colour]:
    """The colours of a head's strokes: the coat's, and those of everything without fur."""
    head, muzzle = coat["head"], coat["muzzle"]
    colours = COLOURS | coat | {"iris": rng.choice(breed.eyes), "collar": rng.choice(COLLARS)}
    colours["inner"] = mix(scaled(coat["ears"], 0.7), ROSY, 0.55)
    colours["leather"] = ROSY if sum(muzzle) > 330 else DARK
    colours["lip"] = scaled(muzzle, 0.4)
    if breed.wrinkles:
        colours["crease"] = scaled(head, 0.72)
    if "patches" in coat and head == coat["body"]:
        colours["eyepatch"] = coat["patches"]
    return colours


def paint_head(head: Head, coat: Coat, rng: Random) -> None:
    breed, size = head.breed, head.disc.r
    hair, hanging = breed.hair, breed.ears != "upright"
    if rng.random() < 0.3:
        _paint_tubes(head, "both", "collar")
    if not hanging:
        _paint_tubes(head, "ears", breed.ears)
    skull = _paint_tubes(head, breed.species, "skull")
    head.layers.mark(rng, coat, "head", skull)
    head.layers.fur(skull, size * (0.1 + 0.22 * hair), int(100 + 430 * hair), rng)
    for stroke, colour, path in head.strokes("both", "marks"):
        dab(head.layers.on_coat, mix(coat["head"], colour, stroke.opacity), *sweep(*path))
    _paint_tubes(head, breed.species, "muzzle")
    if hanging:
        ears = _paint_tubes(head, "ears", breed.ears)
        head.layers.fur(ears, size * (0.08 + 0.3 * hair), int(70 + 350 * hair), rng)


def _paint_tubes(head: Head, group: str, step: str) -> list[Disc]:
    tubes = head.strokes(group, step)
    return [disc for _, colour, path in tubes for disc in head.layers.tube(path, (colour, colour))]


def paint_face(picture: Image.Image, head: Head, rng: Random) -> None:
    """Paint the face on the picture (RGB); a tongue that hangs out is added to the mask."""
    paint, species = ImageDraw.Draw(picture), head.breed.species
    asleep, panting = rng.random() < 0.06, rng.random() < 0.4
    for group, step, shown in (
        (species, "tongue", panting and not asleep),
        (species, "eyes", not asleep),
        ("both", "asleep", asleep),
        (species, "nose", True),
    ):
        for stroke, colour, path in head.strokes(group, step) if shown else ():
            dab(paint, colour, *sweep(*path), wide=stroke.wide)
            if step == "tongue":
                dab(head.layers.on_mask, 255, *sweep(*path))
