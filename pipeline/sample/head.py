"""Heads in fur: skull, ears and muzzle, and the coat's marks on them."""

from dataclasses import dataclass
from itertools import pairwise
from random import Random

from pipeline.sample.brush import SIDES, Colour, Disc, Triple, dab, mix, scaled, sweep
from pipeline.sample.layers import Layers
from pipeline.sample.looks import Breed, Coat

ROSY, BRASS = (214, 150, 142), (214, 178, 84)
COLLARS = ((178, 42, 40), (40, 84, 150), (46, 120, 84), (60, 54, 52))

M = (
    *((-0.46, -0.28), (-0.38, -0.64), (-0.14, -0.34), (0.0, -0.7)),
    *((0.14, -0.34), (0.38, -0.64), (0.46, -0.28)),
)
BLAZE = ((0, -0.78, 0.04), (0, -0.5, 0.09), (0, -0.1, 0.11), (0, 0.3, 0.26))
MASK = ((0, 0.25, 0.56), (-0.2, 0.1, 0.4), (0.2, 0.1, 0.4), (0, 0.4, 0.5))


@dataclass(frozen=True)
class Head:
    """One head in place: its disc on the canvas, how it is turned, and what it belongs to.

    Its coordinates have (0, 0) in the centre; the skull reaches to about 1, and v runs downwards.
    """

    layers: Layers
    disc: Disc
    turn: float  # of the face: -1 to the left ... 1 to the right
    lean: float  # the tangent of half the angle
    breed: Breed
    coat: Coat

    @property
    def feline(self) -> bool:
        """Whether this is a cat."""
        return self.breed.species == "cat"

    @property
    def nose(self) -> float:
        """How low (v) the nose sits."""
        long = self.breed.shape.muzzle
        return 0.22 + 0.08 * long if self.feline else 0.1 + 0.38 * long

    def at(self, u: float, v: float, r: float, depth: float = 0.0) -> Disc:
        """Head coordinates to the canvas; what lies nearer to us (depth) moves more in a turn."""
        u = u + self.turn * depth
        square = self.lean * self.lean  # a rotation without sines: exact everywhere
        cos, sin = (1 - square) / (1 + square), 2 * self.lean / (1 + square)
        x, y, size = self.disc
        return Disc(x + size * (cos * u - sin * v), y + size * (sin * u + cos * v), r * size)

    def path(self, *spots: Triple, depth: float = 0.0) -> list[Disc]:
        """Several such spots (u, v, radius)."""
        return [self.at(*spot, depth) for spot in spots]

    def line(self, r: float, depth: float, *points: tuple[float, float]) -> list[Disc]:
        """The discs of a line of even thickness through the points (u, v)."""
        spots: list[Triple] = []
        for (u, v), (p, q) in pairwise(points):
            spots += [(u + (p - u) * step / 12, v + (q - v) * step / 12, r) for step in range(13)]
        return self.path(*spots, depth=depth)

    def tube(self, colour: Colour, *spots: Triple, depth: float = 0.0) -> None:
        """Paint a round part of one colour along the spots."""
        self.layers.tube(self.path(*spots, depth=depth), colour)

    def mark(self, colour: Colour, *discs: Disc) -> None:
        """Colour the coat there; neither the outline nor the light changes."""
        dab(self.layers.on_coat, colour, *discs)


def paint_head(head: Head, rng: Random) -> None:
    """Paint collar, ears, skull and muzzle."""
    hanging = head.breed.shape.ears
    if rng.random() < 0.3:
        _collar(head, rng.choice(COLLARS))
    if not hanging:
        _upright_ears(head)
    _skull(head)
    _fur(head, rng)
    _marks(head, rng)
    (_cat_muzzle if head.feline else _dog_muzzle)(head)
    if hanging:
        _hanging_ears(head, rng)


def _collar(head: Head, colour: Colour) -> None:
    head.tube(colour, (-0.6, 0.72, 0.09), (0, 0.98, 0.1), (0.6, 0.72, 0.09))
    head.tube(BRASS, (0, 1.14, 0.11), (0, 1.15, 0.11))


def _upright_ears(head: Head) -> None:
    tall, colour = head.breed.shape.ear, head.coat.ears or head.coat.face
    base, width = (0.56, 0.36) if head.feline else (0.5, 0.3)
    inner, top = mix(scaled(colour, 0.7), ROSY, 0.55), -0.62 - 0.66 * tall
    for side in SIDES:
        root, middle, tip = side * base * 0.9, side * (base + 0.06), side * (base + 0.16)
        bend = (middle, -0.5 - 0.3 * tall, width * 0.62)
        head.tube(colour, (root, -0.42, width), bend, (tip, top, 0.03), depth=-0.06)
        bend = (middle, -0.52 - 0.26 * tall, width * 0.36)
        hollow = ((root, -0.5, width * 0.55), bend, (tip, top + 0.16, 0.02))
        head.layers.tube(head.path(*hollow, depth=-0.03), inner, scaled(inner, 0.85), 0.85)


def _hanging_ears(head: Head, rng: Random) -> None:
    shape, colour = head.breed.shape, head.coat.ears or head.coat.face
    spots = [(u, v if v < -0.2 else -0.2 + (v + 0.2) * shape.ear, r) for u, v, r in shape.ears]
    for side in SIDES:
        path = head.path(*((side * u, v, r) for u, v, r in spots), depth=-0.02)
        discs = head.layers.tube(path, scaled(colour, 0.94), scaled(colour, 0.88), 0.95)
        length, count = head.disc.r * (0.08 + 0.3 * shape.hair), int(40 + 200 * shape.hair)
        head.layers.fur(discs, length, count, rng)


def _skull(head: Head) -> None:
    fluff, fur = head.breed.shape.hair, head.coat.face
    wide = 0.42 + 0.1 * fluff
    if head.feline:
        head.tube(fur, (-wide, 0.2, 0.58), (0, -0.05, 0.84), (wide, 0.2, 0.58))
        return
    if fluff > 0.6:  # a ruff
        head.tube(fur, (-0.4, 0.3, 0.62), (0, 0.1, 0.9), (0.4, 0.3, 0.62))
    head.tube(fur, (-0.22, -0.05, 0.72), (0.22, -0.05, 0.72))
    head.tube(fur, (-0.25, 0.3, 0.5), (0.25, 0.3, 0.5), depth=0.08)


def _fur(head: Head, rng: Random) -> None:
    hair = head.breed.shape.hair
    discs = head.path((-0.4, 0.1, 0.62), (0.4, 0.1, 0.62), (0, -0.1, 0.78), (0, 0.15, 0.8))
    head.layers.fur(discs, head.disc.r * (0.1 + 0.22 * hair), int(120 + 500 * hair), rng)


def _cat_muzzle(head: Head) -> None:
    fur, low = head.coat.snout, head.nose
    head.tube(fur, (-0.06, low + 0.3, 0.17), (0.06, low + 0.3, 0.17), depth=0.26)
    for side in SIDES:
        head.tube(fur, (side * 0.15, low + 0.1, 0.2), (side * 0.2, low + 0.13, 0.19), depth=0.28)


def _dog_muzzle(head: Head) -> None:
    fur, long, low = head.coat.snout, head.breed.shape.muzzle, head.nose + 0.12
    width = 0.36 - 0.06 * long
    jaw = ((0, 0.5 + 0.2 * long, width * 0.85), (0, 0.55 + 0.22 * long, width * 0.8))
    head.layers.tube(head.path(*jaw, depth=0.3), fur, scaled(fur, 0.9), 0.92)
    bridge = ((0.1, 0.26, 0.15), (low * 0.7, width * 0.9, 0.28), (low, width, 0.4))
    head.layers.tube([head.at(0, v, r, depth) for v, r, depth in bridge], fur)
    for side in SIDES:
        lip = ((side * 0.1, low + 0.08, width * 0.72), (side * 0.2, low + 0.17, width * 0.68))
        head.tube(fur, *lip, depth=0.38)


def _marks(head: Head, rng: Random) -> None:
    """The coat's marks on a head whose skull is painted."""
    coat = head.coat
    if coat.points:
        core = head.path((0, 0.3, 0.44), (0, 0.05, 0.3), depth=0.18)
        head.mark(mix(coat.body, coat.points, 0.5), *head.path(*MASK, depth=0.15))
        head.mark(mix(coat.body, coat.points, 0.75), *core)
    if coat.forehead:
        _tabby_face(head, mix(coat.face, coat.forehead, 0.75))
    if coat.blaze:
        head.mark(coat.blaze, *sweep(head.path(*BLAZE, depth=0.14)))
    _blotches(head, rng)
    if head.breed.shape.wrinkles:
        for v in (-0.5, -0.38):
            crease = head.line(0.022, 0.1, (-0.3, v), (0, v + 0.08), (0.3, v))
            head.mark(scaled(coat.face, 0.72), *crease)


def _tabby_face(head: Head, stripe: Colour) -> None:
    head.mark(stripe, *head.line(0.045, 0.1, *M))
    for side in SIDES:
        head.mark(stripe, *head.line(0.04, 0.05, (side * 0.5, 0.08), (side * 0.92, 0.0)))
        head.mark(stripe, *head.line(0.035, 0.05, (side * 0.55, 0.28), (side * 0.9, 0.32)))


def _blotches(head: Head, rng: Random) -> None:
    """A patch around one eye, pale brows and cheeks, speckles."""
    coat = head.coat
    if coat.patches and not coat.head:
        side = rng.choice(SIDES)
        eye = ((side * 0.36, -0.08, 0.3), (side * 0.42, -0.3, 0.3), (side * 0.5, -0.4, 0.25))
        head.mark(coat.patches, *head.path(*eye))
    if coat.brows:
        for side in SIDES:
            spots = ((side * 0.27, -0.32, 0.09), (side * 0.5, 0.4, 0.28))
            head.mark(coat.brows, *head.path(*spots, depth=0.1))
    if coat.speckle:
        for _ in range(40):
            u, v = rng.uniform(-0.75, 0.75), rng.uniform(-0.7, 0.5)
            head.mark(coat.speckle, head.at(u, v, rng.uniform(0.015, 0.05)))
