"""The animal's parts as tubes, before they have a place in a picture.

Units are the depth of the chest (its radius); x runs towards where the animal faces, y downwards,
and the ground is y = 0.
"""

from dataclasses import dataclass
from random import Random

from pipeline.sample.brush import Disc
from pipeline.sample.looks import Role, Shape

Triple = tuple[float, float, float]  # x, y, radius

# From the root of the tail to its tip, behind and above the rump.
TAILS: dict[str, tuple[Triple, ...]] = {
    "cat": (
        (0, 0, 0.24),
        (-0.7, 0.1, 0.19),
        (-1.3, -0.5, 0.18),
        (-1.45, -1.3, 0.17),
        (-1.2, -1.9, 0.12),
    ),
    "plume": (
        (0, 0, 0.26),
        (-0.7, 0, 0.36),
        (-1.3, -0.5, 0.42),
        (-1.6, -1.2, 0.4),
        (-1.5, -1.9, 0.14),
    ),
    "whip": ((0, 0, 0.24), (-0.5, -0.3, 0.17), (-0.9, -0.9, 0.13), (-1.1, -1.6, 0.06)),
    "curl": (
        (0, 0, 0.28),
        (-0.35, -0.55, 0.36),
        (0.05, -0.95, 0.38),
        (0.45, -0.7, 0.26),
        (0.4, -0.5, 0.1),
    ),
    "stub": ((0, 0, 0.22), (-0.25, -0.3, 0.15)),
    "flag": ((0, 0, 0.26), (-0.6, -0.15, 0.3), (-1.1, -0.1, 0.32), (-1.6, -0.45, 0.12)),
}


@dataclass(frozen=True)
class Part:
    """One tube of the animal."""

    role: Role
    path: list[Disc]
    far: bool = False  # on the other side of the animal: in shade
    joined: float = 0.85  # how much it grows out of what is painted before (see Layers.tube)


@dataclass(frozen=True)
class Figure:
    """An animal in a pose: its parts, farthest first, and its head, painted last."""

    parts: list[Part]
    head: Disc
    lean: float  # of the head: 0 upright, 0.3 much tilted
    cut: float | None = None  # where the frame ends below, if not somewhere under the feet

    def extent(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the whole, ears included."""
        x, y, r = self.head
        discs = [Disc(x, y - 0.3 * r, r * 1.3)]
        discs += [disc for part in self.parts for disc in part.path]
        return (
            min(disc.x - disc.r for disc in discs),
            min(disc.y - disc.r for disc in discs),
            max(disc.x + disc.r for disc in discs),
            max(disc.y + disc.r for disc in discs),
        )


def part(role: Role, *path: Triple, far: bool = False, joined: float = 0.85) -> Part:
    """A part from plain numbers."""
    return Part(role, [Disc(*triple) for triple in path], far, joined)


def trunk(*path: Triple) -> Part:
    """The first and largest part of the body: it grows out of nothing."""
    return part("body", *path, joined=0.0)


def tail(shape: Shape, x: float, y: float, rng: Random) -> Part:
    """The tail, from its root at (x, y), carried higher or lower."""
    raised = rng.uniform(0.6, 1.3)
    return part("tail", *((x + a, y + b * raised, r) for a, b, r in TAILS[shape.tail]), joined=0.0)


def leg(top: Triple, foot: float, limb: float, bend: float = 0.0, far: bool = False) -> Part:
    """A leg down to the ground at x = `foot`, with its paw a little ahead."""
    x, y, _ = top
    knee = ((x + foot) / 2 + bend, y * 0.5, limb * 1.1)
    ankle = (foot - limb * 0.1, -limb * 1.5, limb * 0.78)
    return part("leg", top, knee, ankle, (foot + limb * 0.55, -limb * 0.75, limb * 0.92), far=far)
