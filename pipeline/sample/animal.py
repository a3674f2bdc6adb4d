"""One animal in its place: all its parts painted, marked, combed and lit."""

from dataclasses import dataclass, replace
from random import Random

from PIL import Image

from pipeline.sample.brush import Size, jittered
from pipeline.sample.face import paint_face
from pipeline.sample.figure import Figure, Part
from pipeline.sample.head import paint_head
from pipeline.sample.headspace import Head
from pipeline.sample.layers import Layers
from pipeline.sample.looks import Breed, Coat
from pipeline.sample.marks import mark
from pipeline.sample.placement import Placement


@dataclass(frozen=True)
class Animal:
    """What to paint, and where."""

    breed: Breed
    coat: Coat
    figure: Figure
    placement: Placement


def own_coat(rng: Random, breed: Breed) -> Coat:
    """One of the breed's coats, a little lighter or darker than its sisters'."""
    coat = rng.choice(breed.coats)
    return replace(coat, body=jittered(rng, coat.body, 14))


def draw_animal(rng: Random, animal: Animal, canvas: Size) -> tuple[Image.Image, Image.Image]:
    """The animal (RGB, of the canvas' size) and its mask (mode L, 255 where it is)."""
    layers = Layers(canvas, sun=rng.choice((-1, 1)))
    for part in animal.figure.parts:
        if part.role != "chest" or animal.coat.chest:
            _paint_part(layers, part, animal, rng)
    facing, put = animal.placement.facing, animal.placement.put
    turn, lean = facing * rng.uniform(-0.3, 1.0), facing * animal.figure.lean
    head = Head(put(animal.figure.head), turn, lean, animal.breed, animal.coat)
    paint_head(layers, head, rng)
    picture = layers.finished(rng)
    paint_face(picture, layers.mask, head, rng)
    return picture, layers.mask


def _paint_part(layers: Layers, part: Part, animal: Animal, rng: Random) -> None:
    path = [animal.placement.put(disc) for disc in part.path]
    colours = animal.coat.of(part.role)
    discs = layers.tube(path, *colours, tone=0.78 if part.far else 1.0, joined=part.joined)
    mark(layers, animal.coat, part.role, discs, rng)
    hair, leg = animal.breed.shape.hair, part.role == "leg"
    length = animal.placement.scale * (0.08 + 0.3 * hair) * (0.6 if leg else 1.0)
    layers.fur(discs, length, int((150 + 700 * hair) * (0.35 if leg else 1.0)), rng)
