"""Heads: skull, ears and muzzle in fur, and the face that is painted on the finished animal."""

from dataclasses import dataclass
from itertools import pairwise
from random import Random

from PIL import Image, ImageDraw

from pipeline.sample.brush import SIDES, Colour, Disc, Paint, Triple, dab, mix, scaled, sweep
from pipeline.sample.layers import Layers
from pipeline.sample.looks import Breed, Coat

ROSY, BRASS = (214, 150, 142), (214, 178, 84)
COLLARS = ((178, 42, 40), (40, 84, 150), (46, 120, 84), (60, 54, 52))

HALF_M = ((0.0, -0.7), (0.14, -0.34), (0.38, -0.64), (0.46, -0.28))
BLAZE = ((0, -0.78, 0.04), (0, -0.5, 0.09), (0, -0.1, 0.11), (0, 0.3, 0.26))
MASK = ((0, 0.25, 0.56), (-0.2, 0.1, 0.4), (0.2, 0.1, 0.4), (0, 0.4, 0.5))
NIGHT, SHINE, WHISKER = (26, 22, 24), (255, 255, 255), (236, 234, 230)
LEATHER, GLOSS, TONGUE = (70, 50, 52), (150, 146, 150), (226, 112, 118)

# Eyes from the rim inwards: u from the eye's centre, v, radius, width by height, and a colour or
# how much lighter than the iris.
CAT_EYE = (
    *((0, -0.02, 0.215, 1.12, NIGHT), (0, -0.02, 0.175, 1.1, 0.8), (0, 0.01, 0.135, 1.1, 1)),
    *((0, -0.02, 0.155, 0.5, NIGHT), (-0.05, -0.09, 0.058, 1, SHINE)),
)
DOG_EYE = (
    *((0, -0.08, 0.162, 1.12, NIGHT), (0, -0.08, 0.126, 1, 0.75), (0, -0.05, 0.084, 1, 1.15)),
    *((0, -0.08, 0.077, 1, NIGHT), (-0.05, -0.15, 0.042, 1, SHINE)),
)
# Below the nose's height: u, v and radius of its discs.
CAT_NOSE = ((-0.055, -0.035, 0.05), (0, -0.035, 0.05), (0.055, -0.035, 0.05), (0, 0, 0.06))
DOG_NOSE = ((-0.09, 0, 0.11), (0, 0, 0.11), (0.09, 0, 0.11), (0, 0.06, 0.12))
# The right half of a mouth: lines with thickness, depth and points, v again below the nose.
CAT_MOUTH = (
    (0.018, 0.3, ((0, 0.05), (0, 0.15))),
    (0.018, 0.3, ((0, 0.15), (0.1, 0.21), (0.22, 0.17))),
)
DOG_MOUTH = (
    (0.02, 0.4, ((0, 0.16), (0, 0.36))),
    (0.022, 0.36, ((0, 0.36), (0.16, 0.46), (0.32, 0.4))),
)


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
        self.layers.tube(self.path(*spots, depth=depth), (colour, colour))

    def mark(self, colour: Colour, *discs: Disc) -> None:
        """Colour the coat there; neither the outline nor the light changes."""
        dab(self.layers.on_coat, colour, *discs)


def paint_head(head: Head, rng: Random) -> None:
    """Paint collar, ears, skull and muzzle."""
    hanging = head.breed.shape.ears
    if rng.random() < 0.3:
        collar = rng.choice(COLLARS)
        head.tube(collar, (-0.6, 0.72, 0.09), (0, 0.98, 0.1), (0.6, 0.72, 0.09))
        head.tube(BRASS, (0, 1.14, 0.11), (0, 1.15, 0.11))
    if not hanging:
        _upright_ears(head)
    _skull(head)
    _fur(head, rng)
    _marks(head, rng)
    (_cat_muzzle if head.feline else _dog_muzzle)(head)
    if hanging:
        _hanging_ears(head, rng)


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
        head.layers.tube(head.path(*hollow, depth=-0.03), (inner, scaled(inner, 0.85)), 0.85)


def _hanging_ears(head: Head, rng: Random) -> None:
    shape, colour = head.breed.shape, head.coat.ears or head.coat.face
    spots = [(u, v if v < -0.2 else -0.2 + (v + 0.2) * shape.ear, r) for u, v, r in shape.ears]
    for side in SIDES:
        path = head.path(*((side * u, v, r) for u, v, r in spots), depth=-0.02)
        discs = head.layers.tube(path, (scaled(colour, 0.94), scaled(colour, 0.88)), 0.95)
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
    head.layers.tube(head.path(*jaw, depth=0.3), (fur, scaled(fur, 0.9)), 0.92)
    bridge = ((0.1, 0.26, 0.15), (low * 0.7, width * 0.9, 0.28), (low, width, 0.4))
    head.layers.tube([head.at(0, v, r, depth) for v, r, depth in bridge], (fur, fur))
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
        head.mark(coat.blaze, *sweep(*head.path(*BLAZE, depth=0.14)))
    _blotches(head, rng)
    if head.breed.shape.wrinkles:
        for v in (-0.5, -0.38):
            crease = head.line(0.022, 0.1, (-0.3, v), (0, v + 0.08), (0.3, v))
            head.mark(scaled(coat.face, 0.72), *crease)


def _tabby_face(head: Head, stripe: Colour) -> None:
    for side in SIDES:
        head.mark(stripe, *head.line(0.045, 0.1, *((side * u, v) for u, v in HALF_M)))
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


def paint_face(picture: Image.Image, head: Head, rng: Random) -> None:
    """Paint the face on the picture (RGB); a tongue that hangs out is added to the mask."""
    paint = ImageDraw.Draw(picture)
    iris, asleep = rng.choice(head.breed.eyes), rng.random() < 0.06
    panting = not head.feline and not asleep and rng.random() < 0.4
    if panting:
        _tongue(paint, head)
    for side in SIDES:
        if asleep:
            _closed_eye(paint, head, side * 0.36)
        else:
            _eye(paint, head, side, iris)
    if head.feline:
        leather = ROSY if sum(head.coat.snout) > 330 else LEATHER
        dab(paint, leather, *_below(head, CAT_NOSE, 0.3))
        _mouth(paint, head)
        _whiskers(paint, head)
    else:
        _mouth(paint, head)
        dab(paint, NIGHT, *_below(head, DOG_NOSE, 0.44))
        dab(paint, GLOSS, head.at(-0.06, head.nose - 0.06, 0.035, 0.44), wide=1.8)


def _closed_eye(paint: Paint, head: Head, u: float) -> None:
    lid = ((u - 0.16, -0.02), (u - 0.06, 0.04), (u + 0.06, 0.04), (u + 0.16, -0.02))
    dab(paint, NIGHT, *head.line(0.022, 0.16, *lid))


def _eye(paint: Paint, head: Head, side: int, iris: Colour) -> None:
    middle, rings = (0.37, CAT_EYE) if head.feline else (0.33, DOG_EYE)
    for u, v, r, wide, colour in rings:
        tone = colour if isinstance(colour, tuple) else scaled(iris, colour)
        dab(paint, tone, head.at(side * middle + u, v, r, 0.16), wide=wide)


def _below(head: Head, spots: tuple[Triple, ...], depth: float) -> list[Disc]:
    """The spots on the canvas, their v counted from the height of the nose."""
    return head.path(*((u, head.nose + v, r) for u, v, r in spots), depth=depth)


def _mouth(paint: Paint, head: Head) -> None:
    fur = head.coat.snout
    lip = scaled(fur, 0.4) if sum(fur) > 240 else (20, 16, 18)
    for side in SIDES:
        for r, depth, points in CAT_MOUTH if head.feline else DOG_MOUTH:
            line = head.line(r, depth, *((side * u, head.nose + v) for u, v in points))
            dab(paint, lip, *line)


def _tongue(paint: Paint, head: Head) -> None:
    top = head.nose + 0.54
    tip = [head.at(0, top - 0.02 + 0.05 * k, 0.13 - 0.008 * k, 0.38) for k in range(6)]
    dab(paint, TONGUE, *tip)
    dab(head.layers.on_mask, 255, *tip)
    dab(paint, scaled(TONGUE, 0.75), *head.line(0.015, 0.38, (0, top), (0, top + 0.22)))


def _whiskers(paint: Paint, head: Head) -> None:
    for side in SIDES:
        for k in range(4):
            root = head.at(side * 0.24, 0.38 + 0.05 * k, 0, 0.28)
            middle = head.at(side * 0.7, 0.3 + 0.1 * k, 0, 0.2)
            tip = head.at(side * 1.15, 0.25 + 0.17 * k, 0, 0.1)
            paint.line([(round(spot.x), round(spot.y)) for spot in (root, middle, tip)], WHISKER)
