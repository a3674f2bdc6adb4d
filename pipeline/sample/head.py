"""Heads in fur: skull, ears and muzzle of cats and dogs. For the coordinates see headspace.py."""

from random import Random

from pipeline.sample.brush import Colour, mix, scaled
from pipeline.sample.headmarks import mark_head
from pipeline.sample.headspace import Head, Spot
from pipeline.sample.layers import Layers

ROSY, BRASS = (214, 150, 142), (214, 178, 84)
COLLARS = ((178, 42, 40), (40, 84, 150), (46, 120, 84), (60, 54, 52))

# From the root to the tip of an ear that hangs; v below the root is scaled by its length.
HANGING: dict[str, tuple[Spot, ...]] = {
    "drop": ((0.56, -0.5, 0.2), (0.88, -0.25, 0.25), (0.96, 0.25, 0.3), (0.9, 0.6, 0.2)),
    "button": ((0.5, -0.6, 0.2), (0.72, -0.66, 0.2), (0.82, -0.4, 0.2), (0.74, -0.15, 0.06)),
    "rose": ((0.54, -0.56, 0.2), (0.82, -0.62, 0.19), (0.98, -0.38, 0.1)),
}


def paint_head(layers: Layers, head: Head, rng: Random) -> None:
    """Paint collar, ears, skull and muzzle."""
    upright = head.breed.shape.ears in ("cat", "prick")
    if rng.random() < 0.3:
        _collar(layers, head, rng.choice(COLLARS))
    if upright:
        _upright_ears(layers, head)
    _skull(layers, head)
    _fur(layers, head, rng)
    mark_head(layers, head, rng)
    (_cat_muzzle if head.feline else _dog_muzzle)(layers, head)
    if not upright:
        _hanging_ears(layers, head, rng)


def _collar(layers: Layers, head: Head, colour: Colour) -> None:
    layers.tube(head.path((-0.6, 0.72, 0.09), (0, 0.98, 0.1), (0.6, 0.72, 0.09)), colour, colour)
    layers.tube(head.path((0, 1.14, 0.11), (0, 1.15, 0.11)), BRASS, BRASS)


def _upright_ears(layers: Layers, head: Head) -> None:
    tall, colour = head.breed.shape.ear, head.coat.ears or head.coat.face
    base, width = (0.56, 0.36) if head.feline else (0.5, 0.3)
    inner = mix(scaled(colour, 0.7), ROSY, 0.55)
    for side in (-1, 1):
        root, middle, tip = side * base * 0.9, side * (base + 0.06), side * (base + 0.16)
        top = -0.62 - 0.66 * tall
        outline = (
            (root, -0.42, width),
            (middle, -0.5 - 0.3 * tall, width * 0.62),
            (tip, top, 0.03),
        )
        hollow = (
            (root, -0.5, width * 0.55),
            (middle, -0.52 - 0.26 * tall, width * 0.36),
            (tip, top + 0.16, 0.02),
        )
        layers.tube(head.path(*outline, depth=-0.06), colour, colour)
        layers.tube(head.path(*hollow, depth=-0.03), inner, scaled(inner, 0.85), 0.85)


def _hanging_ears(layers: Layers, head: Head, rng: Random) -> None:
    shape, colour = head.breed.shape, head.coat.ears or head.coat.face
    for side in (-1, 1):
        spots = (
            (side * u, v if v < -0.2 else -0.2 + (v + 0.2) * shape.ear, r)
            for u, v, r in HANGING[shape.ears]
        )
        path = head.path(*spots, depth=-0.02)
        discs = layers.tube(path, scaled(colour, 0.94), scaled(colour, 0.88), 0.95)
        count = int(40 + 200 * shape.hair)
        layers.fur(discs, head.disc.r * (0.08 + 0.3 * shape.hair), count, rng)


def _skull(layers: Layers, head: Head) -> None:
    fluff, fur = head.breed.shape.hair, head.coat.face
    wide = 0.42 + 0.1 * fluff
    cat = ((-wide, 0.2, 0.58), (0, -0.05, 0.84), (wide, 0.2, 0.58))
    ruff = ((-0.4, 0.3, 0.62), (0, 0.1, 0.9), (0.4, 0.3, 0.62))
    if head.feline or fluff > 0.6:
        layers.tube(head.path(*(cat if head.feline else ruff)), fur, fur)
    if not head.feline:
        layers.tube(head.path((-0.22, -0.05, 0.72), (0.22, -0.05, 0.72)), fur, fur)
        layers.tube(head.path((-0.25, 0.3, 0.5), (0.25, 0.3, 0.5), depth=0.08), fur, fur)


def _fur(layers: Layers, head: Head, rng: Random) -> None:
    hair = head.breed.shape.hair
    discs = head.path((-0.4, 0.1, 0.62), (0.4, 0.1, 0.62), (0, -0.1, 0.78), (0, 0.15, 0.8))
    layers.fur(discs, head.disc.r * (0.1 + 0.22 * hair), int(120 + 500 * hair), rng)


def _cat_muzzle(layers: Layers, head: Head) -> None:
    fur, low = head.coat.muzzle or head.coat.face, head.nose
    chin = head.path((-0.06, low + 0.3, 0.17), (0.06, low + 0.3, 0.17), depth=0.26)
    layers.tube(chin, fur, fur)
    for side in (-1, 1):
        cheek = ((side * 0.15, low + 0.1, 0.2), (side * 0.2, low + 0.13, 0.19))
        layers.tube(head.path(*cheek, depth=0.28), fur, fur)


def _dog_muzzle(layers: Layers, head: Head) -> None:
    fur, long, low = head.coat.muzzle or head.coat.face, head.breed.shape.muzzle, head.nose + 0.12
    width = 0.36 - 0.06 * long
    jaw = ((0, 0.5 + 0.2 * long, width * 0.85), (0, 0.55 + 0.22 * long, width * 0.8))
    layers.tube(head.path(*jaw, depth=0.3), fur, scaled(fur, 0.9), 0.92)
    bridge = [
        head.at(0, 0.1, 0.26, 0.15),
        head.at(0, low * 0.7, width * 0.9, 0.28),
        head.at(0, low, width, 0.4),
    ]
    layers.tube(bridge, fur, fur)
    for side in (-1, 1):
        lip = ((side * 0.1, low + 0.08, width * 0.72), (side * 0.2, low + 0.17, width * 0.68))
        layers.tube(head.path(*lip, depth=0.38), fur, fur)
