"""Poses: the animal's parts as tubes, and the place they get in the frame.

Units are the depth of the chest (its radius); x runs towards where the animal faces, y downwards,
and the ground is y = 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from pipeline.sample.brush import SIDES, Disc, Size, Triple
from pipeline.sample.looks import Breed, Role


@dataclass(frozen=True)
class Part:
    """One tube of the animal."""

    role: Role
    path: Sequence[Triple]
    far: bool = False  # on the other side of the animal: in shade
    joined: float = 0.85  # how much it grows out of what is painted before (see Layers.tube)


@dataclass(frozen=True)
class Figure:
    """An animal in a pose: its parts, farthest first, and its head, painted last."""

    parts: list[Part]
    head: Disc
    lean: float  # of the head: 0 upright, 0.3 much tilted
    cut: float | None = None  # where the frame ends below, if not somewhere under the feet
    # In its place, in pixels:
    scale: float = 1.0  # the depth of the chest
    ground: float = 0.0  # the y of its feet
    facing: int = 1  # 1 to the right, -1 to the left


def place(rng: Random, figure: Figure, canvas: Size) -> Figure:
    """Fit the animal into the frame: whole, or so near that the frame cuts parts of it off."""
    width, height = canvas
    x, y, r = figure.head
    ears = (x, y - 0.3 * r, r * 1.3)  # the head with them
    discs = [ears, *(disc for part in figure.parts for disc in part.path)]
    left, right = min(x - r for x, _, r in discs), max(x + r for x, _, r in discs)
    top, low = min(y - r for _, y, r in discs), max(y + r for _, y, r in discs)
    zoom = rng.choice((rng.uniform(0.82, 1.0), rng.uniform(0.95, 1.15), rng.uniform(1.15, 1.5)))
    scale, facing = zoom * min(width / (right - left), height / (low - top)), rng.choice(SIDES)
    if figure.cut is not None:
        scale = rng.uniform(0.9, 1.15) * height / (figure.cut - top)
    # What is cut off should not be the head: the nearer we are, the more it is in the middle.
    focus = max(0.0, min(1.0, (zoom - 0.95) * 2))
    x = (left + right) / 2 * (1 - focus) + figure.head.x * focus
    y = (top + low) / 2 * (1 - focus) + (figure.head.y + figure.head.r * 0.6) * focus
    loose_x = max(0.0, width - scale * (right - left)) / 2 + 0.06 * width
    loose_y = max(0.0, height - scale * (low - top)) / 2 + 0.02 * height
    across = width / 2 - facing * scale * x + rng.uniform(-1, 1) * loose_x
    down = height / 2 - scale * y + rng.uniform(-0.3, 1) * loose_y
    if figure.cut is not None:
        down = height - scale * figure.cut

    def put(u: float, v: float, r: float) -> Disc:
        return Disc(across + facing * scale * u, down + scale * v, scale * r)

    parts = [replace(part, path=[put(*disc) for disc in part.path]) for part in figure.parts]
    head, lean = put(*figure.head), facing * figure.lean
    return Figure(parts, head, lean, scale=scale, ground=down, facing=facing)


def _tail(breed: Breed, x: float, y: float, rng: Random) -> Part:
    """The tail, from its root at (x, y), carried higher or lower."""
    raised = rng.uniform(0.6, 1.3)
    return Part("tail", [(x + a, y + b * raised, r) for a, b, r in breed.tail], joined=0)


def _leg(top: Triple, foot: float, limb: float, bend: float = 0.0, far: bool = False) -> Part:
    """A leg down to the ground at x = `foot`, with its paw a little ahead."""
    x, y, _ = top
    knee = ((x + foot) / 2 + bend, y * 0.5, limb * 1.1)
    ankle = (foot - limb * 0.1, -limb * 1.5, limb * 0.78)
    return Part("leg", (top, knee, ankle, (foot + limb * 0.55, -limb * 0.75, limb * 0.92)), far=far)


def _both(*path: Triple) -> list[Part]:
    """A pair of legs seen from the front, one on either side of x = 0."""
    return [Part("leg", [(side * x, y, r) for x, y, r in path]) for side in SIDES]


def standing(breed: Breed, rng: Random) -> Figure:
    """On four legs, seen from the side, looking at us."""
    back, front, rear = -(breed.leg + 0.75), breed.length / 2, -breed.length / 2
    stride, limb = rng.uniform(-0.3, 0.3), breed.limb
    lift = rng.uniform(-0.12, 0.18)
    head = Disc(front + 0.75, back - 0.75 - breed.head * 0.75 + lift, breed.head)
    parts = [
        _tail(breed, rear - 0.65, back - 0.35, rng),
        _leg((rear + 0.35, back + 0.3, 0.6), rear + 0.3 - stride, limb, 0.1, far=True),
        _leg((front - 0.15, back + 0.3, 0.5), front - 0.2 - stride, limb, far=True),
        Part("body", ((rear, back, 0.86), (0, back + 0.06, 0.84), (front, back, 1)), joined=0),
        Part("body", ((front + 0.05, back - 0.1, 0.9), (head.x - 0.1, head.y + 0.4, 0.62))),
        Part("chest", ((front + 0.6, back - 0.4, 0.4), (front + 0.65, back + 0.3, 0.38))),
        _leg((rear, back + 0.2, 0.72), rear - 0.15 + stride, limb, 0.12),
        _leg((front, back + 0.25, 0.55), front + 0.1 + stride, limb),
    ]
    return Figure(parts, head, rng.uniform(-0.15, 0.15))


def sitting(breed: Breed, rng: Random) -> Figure:
    """On the haunches, front legs upright, seen more or less from the side."""
    side = rng.uniform(0.5, 1.0)
    rump, chest, tall, limb = -0.75 * side, 0.35 * side, 1.5 + breed.leg * 0.5, breed.limb
    head = Disc(chest + 0.3 * side, -tall - 0.35 - breed.head * 0.85, breed.head)
    around = ((-1.4, -0.4, 0.25), (-1.1, -0.2, 0.2), (0, -0.12, 0.18), (0.5, -0.1, 0.1))
    wrapped = Part("tail", [(x * side, y, r) for x, y, r in around], joined=0.3)
    raised = _tail(breed, rump - 0.7, -0.55, rng)
    thigh = ((rump + 0.15, -0.85, 0.72), (rump + 0.5, -0.5, 0.45))
    foot = ((rump + 0.75, -limb * 0.8, limb * 0.95), (rump + 1.0, -limb * 0.75, limb * 0.95))
    trunk = ((rump, -0.95, 1.0), (-0.25 * side, -1.35, 0.98), (chest, -tall, 0.82))
    parts = [
        _leg((chest + 0.25, -tall + 0.5, 0.45), chest + 0.62, limb, 0.05, far=True),
        Part("body", trunk, joined=0),
        Part("body", ((chest, -tall, 0.78), (head.x, head.y + 0.3, 0.6))),
        Part("chest", ((chest + 0.25, -tall - 0.25, 0.42), (chest + 0.3, -tall + 0.5, 0.35))),
        _leg((chest + 0.05, -tall + 0.5, 0.5), chest + 0.1, limb),
        Part("leg", thigh + foot),
    ]
    wraps = breed.wraps and rng.random() < 0.5
    return Figure([*parts, wrapped] if wraps else [raised, *parts], head, rng.uniform(-0.2, 0.2))


def facing(breed: Breed, rng: Random) -> Figure:
    tall, limb = 1.6 + breed.leg * 0.5, breed.limb * 1.1
    head = Disc(0, -tall - 0.35 - breed.head * 0.8, breed.head)
    parts = [
        Part("tail", ((-0.8, -0.4, 0.24), (-1.5, -0.25, 0.24), (-2.0, -0.5, 0.1)), joined=0),
        Part("body", ((0, -0.95, 1.08), (0, -tall, 0.82)), joined=0),
        *_both((0.8, -0.75, 0.62), (1.05, -0.3, limb), (1.1, -limb * 0.75, limb)),
        Part("body", ((0, -tall, 0.8), (0, head.y + 0.3, 0.62))),
        *_both((0.42, -tall + 0.4, 0.42), (0.4, -0.9, limb), (0.38, -limb * 0.75, limb * 1.05)),
        Part("chest", ((0, -tall - 0.2, 0.48), (0, -tall + 0.55, 0.34))),
    ]
    return Figure(parts, head, rng.uniform(-0.22, 0.22))


def lying(breed: Breed, rng: Random) -> Figure:
    """Like a sphinx, front legs stretched out, the head raised or on the paws."""
    front, rear, limb = breed.length * 0.5, -breed.length * 0.5, breed.limb
    up = rng.uniform(0.0, 1.0)
    head = Disc(front + 0.9 - 0.35 * up, -breed.head * 0.85 - 0.25 - 1.1 * up, breed.head)
    far = ((front + 1.1, -limb * 1.2, limb), (front + 1.75, -limb * 1.1, limb))
    hind = ((rear + 0.2, -0.72, 0.7), (rear + 0.7, -0.35, 0.38), (rear + 1.2, -limb * 0.8, limb))
    near = ((front + 0.8, -limb * 0.9, limb), (front + 1.5, -limb * 0.8, limb * 1.05))
    parts = [
        _tail(breed, rear - 0.7, -0.6, rng),
        Part("leg", ((front + 0.1, -0.6, 0.4), *far), far=True),
        Part("body", ((rear, -0.88, 0.9), (0, -0.9, 0.88), (front, -0.95, 0.92)), joined=0),
        Part("body", ((front, -1.0, 0.85), (head.x, head.y + 0.35, 0.62))),
        Part("chest", ((front + 0.5, -1.2, 0.42), (front + 0.55, -0.7, 0.36))),
        Part("leg", hind),
        Part("leg", ((front, -0.5, 0.42), *near)),
    ]
    return Figure(parts, head, rng.uniform(-0.2, 0.2))


def portrait(breed: Breed, rng: Random) -> Figure:
    """Head and shoulders; the rest is below the frame."""
    drop, aside = breed.head * 0.9, rng.uniform(0.0, 0.5)
    trunk = ((-aside * 2.5, drop + 2.2, 1.2), (-aside, drop + 1.3, 1.15), (0, drop + 0.2, 0.78))
    parts = [
        Part("body", trunk, joined=0),
        Part("leg", ((-0.75, drop + 1.25, 0.5), (-0.85, drop + 3.2, 0.42))),
        Part("leg", ((0.72, drop + 1.25, 0.5), (0.7, drop + 3.2, 0.42))),
        Part("body", ((0, drop + 0.9, 0.9), (0, drop, 0.7))),
        Part("chest", ((0.05, drop + 0.2, 0.5), (0.05, drop + 1.4, 0.5))),
    ]
    cut = drop + rng.uniform(0.5, 1.7)
    return Figure(parts, Disc(0.05, 0, breed.head), rng.uniform(-0.25, 0.25), cut)


POSES = (standing, sitting, facing, lying, portrait, portrait)
