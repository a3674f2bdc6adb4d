"""The coat's marks on skull and cheeks. For the coordinates see headspace.py."""

from random import Random

from pipeline.sample.brush import mix, scaled, sweep
from pipeline.sample.headspace import Head
from pipeline.sample.layers import Layers

M = (
    *((-0.46, -0.28), (-0.38, -0.64), (-0.14, -0.34), (0.0, -0.7)),
    *((0.14, -0.34), (0.38, -0.64), (0.46, -0.28)),
)
BLAZE = ((0, -0.78, 0.04), (0, -0.5, 0.09), (0, -0.1, 0.11), (0, 0.3, 0.26))
MASK = ((0, 0.25, 0.56), (-0.2, 0.1, 0.4), (0.2, 0.1, 0.4), (0, 0.4, 0.5))
SIDES = (-1, 1)


def mark_head(layers: Layers, head: Head, rng: Random) -> None:
    """Paint them on the coat of a head whose skull is painted."""
    coat = head.coat
    if coat.points:
        layers.dab(mix(coat.body, coat.points, 0.5), head.path(*MASK, depth=0.15))
        core = head.path((0, 0.3, 0.44), (0, 0.05, 0.3), depth=0.18)
        layers.dab(mix(coat.body, coat.points, 0.75), core)
    if coat.forehead:
        _tabby_face(layers, head)
    if coat.blaze:
        layers.dab(coat.blaze, sweep(head.path(*BLAZE, depth=0.14)))
    _blotches(layers, head, rng)
    if head.breed.shape.wrinkles:
        for v in (-0.5, -0.38):
            crease = head.line(0.022, 0.1, (-0.3, v), (0, v + 0.08), (0.3, v))
            layers.dab(scaled(coat.face, 0.72), crease)


def _tabby_face(layers: Layers, head: Head) -> None:
    stripe = mix(head.coat.face, head.coat.forehead or head.coat.face, 0.75)
    layers.dab(stripe, head.line(0.045, 0.1, *M))
    for side in SIDES:
        layers.dab(stripe, head.line(0.04, 0.05, (side * 0.5, 0.08), (side * 0.92, 0.0)))
        layers.dab(stripe, head.line(0.035, 0.05, (side * 0.55, 0.28), (side * 0.9, 0.32)))


def _blotches(layers: Layers, head: Head, rng: Random) -> None:
    """A patch around one eye, pale brows and cheeks, speckles."""
    coat = head.coat
    if coat.patches and not coat.head:
        side = rng.choice(SIDES)
        eye = ((side * 0.36, -0.08, 0.3), (side * 0.42, -0.3, 0.3), (side * 0.5, -0.4, 0.25))
        layers.dab(coat.patches, head.path(*eye))
    if coat.brows:
        for side in SIDES:
            spots = ((side * 0.27, -0.32, 0.09), (side * 0.5, 0.4, 0.28))
            layers.dab(coat.brows, head.path(*spots, depth=0.1))
    if coat.speckle:
        for _ in range(40):
            u, v = rng.uniform(-0.75, 0.75), rng.uniform(-0.7, 0.5)
            layers.dab(coat.speckle, [head.at(u, v, rng.uniform(0.015, 0.05))])
