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
NIGHT, WHISKER = (26, 22, 24), (236, 234, 230)
DARK, GLOSS, TONGUE = (70, 50, 52), (150, 146, 150), (226, 112, 118)


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
        return self.breed.species == "cat"

    @property
    def nose(self) -> float:
        """How low (v) the nose sits."""
        flat, long = self.breed.face.nose
        return flat + long * self.breed.muzzle

    def at(self, u: float, v: float, r: float, depth: float = 0.0) -> Disc:
        """Head coordinates to the canvas; what lies nearer to us (depth) moves more in a turn."""
        u = u + self.turn * depth
        square = self.lean * self.lean  # a rotation without sines: exact everywhere
        cos, sin = (1 - square) / (1 + square), 2 * self.lean / (1 + square)
        x, y, size = self.disc
        return Disc(x + size * (cos * u - sin * v), y + size * (sin * u + cos * v), r * size)

    def path(self, *spots: Triple, depth: float = 0.0) -> list[Disc]:
        return [self.at(*spot, depth) for spot in spots]

    def line(self, r: float, depth: float, *points: tuple[float, float]) -> list[Disc]:
        """The discs of a line of even thickness through the points (u, v)."""
        spots: list[Triple] = []
        for (u, v), (p, q) in pairwise(points):
            spots += [(u + (p - u) * step / 12, v + (q - v) * step / 12, r) for step in range(13)]
        return self.path(*spots, depth=depth)

    def tube(self, colour: Colour, *spots: Triple, depth: float = 0.0) -> None:
        self.layers.tube(self.path(*spots, depth=depth), (colour, colour))

    def mark(self, colour: Colour, *discs: Disc) -> None:
        """Colour the coat there; neither the outline nor the light changes."""
        dab(self.layers.on_coat, colour, *discs)


def paint_head(head: Head, rng: Random) -> None:
    hanging, hair = head.breed.ears, head.breed.hair
    if rng.random() < 0.3:
        collar = rng.choice(COLLARS)
        head.tube(collar, (-0.6, 0.72, 0.09), (0, 0.98, 0.1), (0.6, 0.72, 0.09))
        head.tube(BRASS, (0, 1.14, 0.11), (0, 1.15, 0.11))
    if not hanging:
        _upright_ears(head)
    _skull(head)
    discs = head.path((-0.4, 0.1, 0.62), (0.4, 0.1, 0.62), (0, -0.1, 0.78), (0, 0.15, 0.8))
    head.layers.fur(discs, head.disc.r * (0.1 + 0.22 * hair), int(120 + 500 * hair), rng)
    _marks(head, rng)
    _muzzle(head)
    if hanging:
        _hanging_ears(head, rng)


def _upright_ears(head: Head) -> None:
    tall, colour = head.breed.ear, head.coat.ears or head.coat.face
    base, width = head.breed.face.ear
    inner, top = mix(scaled(colour, 0.7), ROSY, 0.55), -0.62 - 0.66 * tall
    for side in SIDES:
        root, middle, tip = side * base * 0.9, side * (base + 0.06), side * (base + 0.16)
        bend = (middle, -0.5 - 0.3 * tall, width * 0.62)
        head.tube(colour, (root, -0.42, width), bend, (tip, top, 0.03), depth=-0.06)
        bend = (middle, -0.52 - 0.26 * tall, width * 0.36)
        hollow = ((root, -0.5, width * 0.55), bend, (tip, top + 0.16, 0.02))
        head.layers.tube(head.path(*hollow, depth=-0.03), (inner, scaled(inner, 0.85)), 0.85)


def _hanging_ears(head: Head, rng: Random) -> None:
    breed, colour = head.breed, head.coat.ears or head.coat.face
    spots = [(u, v if v < -0.2 else -0.2 + (v + 0.2) * breed.ear, r) for u, v, r in breed.ears]
    for side in SIDES:
        path = head.path(*((side * u, v, r) for u, v, r in spots), depth=-0.02)
        discs = head.layers.tube(path, (scaled(colour, 0.94), scaled(colour, 0.88)), 0.95)
        length, count = head.disc.r * (0.08 + 0.3 * breed.hair), int(40 + 200 * breed.hair)
        head.layers.fur(discs, length, count, rng)


def _skull(head: Head) -> None:
    fluff, fur = head.breed.hair, head.coat.face
    wide = 0.42 + 0.1 * fluff
    if head.feline:
        head.tube(fur, (-wide, 0.2, 0.58), (0, -0.05, 0.84), (wide, 0.2, 0.58))
        return
    if fluff > 0.6:  # a ruff
        head.tube(fur, (-0.4, 0.3, 0.62), (0, 0.1, 0.9), (0.4, 0.3, 0.62))
    head.tube(fur, (-0.22, -0.05, 0.72), (0.22, -0.05, 0.72))
    head.tube(fur, (-0.25, 0.3, 0.5), (0.25, 0.3, 0.5), depth=0.08)


def _muzzle(head: Head) -> None:
    fur, long, low = head.coat.snout, head.breed.muzzle, head.nose
    if head.feline:
        head.tube(fur, (-0.06, low + 0.3, 0.17), (0.06, low + 0.3, 0.17), depth=0.26)
        for side in SIDES:
            cheek = ((side * 0.15, low + 0.1, 0.2), (side * 0.2, low + 0.13, 0.19))
            head.tube(fur, *cheek, depth=0.28)
        return
    low, width = low + 0.12, 0.36 - 0.06 * long
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
        stripe = mix(coat.face, coat.forehead, 0.75)
        for side in SIDES:
            head.mark(stripe, *head.line(0.045, 0.1, *((side * u, v) for u, v in HALF_M)))
            head.mark(stripe, *head.line(0.04, 0.05, (side * 0.5, 0.08), (side * 0.92, 0.0)))
            head.mark(stripe, *head.line(0.035, 0.05, (side * 0.55, 0.28), (side * 0.9, 0.32)))
    if coat.blaze:
        head.mark(coat.blaze, *sweep(*head.path(*BLAZE, depth=0.14)))
    _blotches(head, rng)
    if head.breed.wrinkles:
        for v in (-0.5, -0.38):
            crease = head.line(0.022, 0.1, (-0.3, v), (0, v + 0.08), (0.3, v))
            head.mark(scaled(coat.face, 0.72), *crease)


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
    if not head.feline and not asleep and rng.random() < 0.4:  # panting
        top = head.nose + 0.54
        tip = [head.at(0, top - 0.02 + 0.05 * k, 0.13 - 0.008 * k, 0.38) for k in range(6)]
        dab(paint, TONGUE, *tip)
        dab(head.layers.on_mask, 255, *tip)
        dab(paint, scaled(TONGUE, 0.75), *head.line(0.015, 0.38, (0, top), (0, top + 0.22)))
    for side in SIDES:
        _eye(paint, head, side, None if asleep else iris)
    leather, depth = head.breed.face.leather, 0.3 if head.feline else 0.44
    nose = head.path(*((u, head.nose + v, r) for u, v, r in leather), depth=depth)
    if head.feline:
        dab(paint, ROSY if sum(head.coat.snout) > 330 else DARK, *nose)
        _mouth(paint, head)
        _whiskers(paint, head)
    else:
        _mouth(paint, head)
        dab(paint, NIGHT, *nose)
        dab(paint, GLOSS, head.at(-0.06, head.nose - 0.06, 0.035, 0.44), wide=1.8)


def _eye(paint: Paint, head: Head, side: int, iris: Colour | None) -> None:
    """An eye; without an iris it is closed."""
    if not iris:
        u = side * 0.36
        lid = ((u - 0.16, -0.02), (u - 0.06, 0.04), (u + 0.06, 0.04), (u + 0.16, -0.02))
        dab(paint, NIGHT, *head.line(0.022, 0.16, *lid))
        return
    face = head.breed.face
    for u, v, r, wide, colour in face.eyes:
        tone = colour if isinstance(colour, tuple) else scaled(iris, colour)
        dab(paint, tone, head.at(side * face.eye + u, v, r, 0.16), wide=wide)


def _mouth(paint: Paint, head: Head) -> None:
    fur = head.coat.snout
    lip = scaled(fur, 0.4) if sum(fur) > 240 else (20, 16, 18)
    for side in SIDES:
        for r, depth, points in head.breed.face.mouth:
            line = head.line(r, depth, *((side * u, head.nose + v) for u, v in points))
            dab(paint, lip, *line)


def _whiskers(paint: Paint, head: Head) -> None:
    for side in SIDES:
        for k in range(4):
            root = head.at(side * 0.24, 0.38 + 0.05 * k, 0, 0.28)
            middle = head.at(side * 0.7, 0.3 + 0.1 * k, 0, 0.2)
            tip = head.at(side * 1.15, 0.25 + 0.17 * k, 0, 0.1)
            paint.line([(round(spot.x), round(spot.y)) for spot in (root, middle, tip)], WHISKER)
