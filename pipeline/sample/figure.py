"""Poses: the animal's parts as tubes, and the place they get in the frame."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT, check_values
from pipeline.sample.brush import SIDES, Disc, Size, Triple
from pipeline.sample.looks import Breed, Role, read_book

LENGTH, LEG, LIMB = 2.7, 1.6, 0.3  # of the standard animal, whose poses poses.toml describes
KINDS = ("standing", "sitting", "facing", "lying", "portrait", "portrait")


@dataclass(frozen=True, config=STRICT)
class Part:
    """One tube of the animal."""

    role: Role
    path: Sequence[Triple]  # of a tail also its root alone, of a neck only where it begins
    far: bool = False  # on the other side of the animal: in shade
    both: bool = False  # once more on the other side of x = 0
    joined: float = 0.85  # how much it grows out of what is painted before (see Layers.tube)


@dataclass(frozen=True, config=STRICT)
class Pose:
    """The parts of the standard animal, farthest first, and how other breeds differ from it."""

    parts: tuple[Part, ...]
    neck: tuple[float, float]  # where the head sits
    raised: tuple[float, float] = (0, 0)  # how far it may move from there
    back: float = -1.0  # the height (y) of the back
    long: float = 0.0  # how much a longer back lengthens the whole, from 0 to 1
    legs: float = 0.0  # the same of longer legs and its height
    narrow: float = 1.0  # seen more from the front, it is as much narrower as this
    stride: float = 0.0  # how far a foot may be from its place
    cut: tuple[float, float] | None = None  # where the frame ends below, if not under the feet


class Figure(NamedTuple):
    """An animal in its place on the canvas: its parts, and its head, painted last. In pixels."""

    parts: list[Part]
    head: Disc
    scale: float  # the depth of the chest
    ground: float  # the y of its feet
    facing: int  # 1 to the right, -1 to the left


@cache
def poses() -> dict[str, Pose]:
    return check_values(read_book("poses.toml"), dict[str, Pose], Path("poses.toml"))


def place(rng: Random, breed: Breed, canvas: Size) -> Figure:
    """Fit an animal into the frame: whole, or so near that the frame cuts parts of it off."""
    pose, (width, height) = poses()[rng.choice(KINDS)], canvas
    parts, head = _stretched(rng, pose, breed)
    discs = [Disc(head.x, head.y - 0.3 * head.r, head.r * 1.3)]  # the head with its ears
    discs += [Disc(*disc) for part in parts for disc in part.path]
    left, right = min(x - r for x, _, r in discs), max(x + r for x, _, r in discs)
    top, low = min(y - r for _, y, r in discs), max(y + r for _, y, r in discs)
    zoom = rng.choice((rng.uniform(0.82, 1.0), rng.uniform(0.95, 1.15), rng.uniform(1.15, 1.5)))
    scale, facing = zoom * min(width / (right - left), height / (low - top)), rng.choice(SIDES)
    cut = rng.uniform(*pose.cut) if pose.cut else 0.0
    if pose.cut:
        scale = rng.uniform(0.9, 1.15) * height / (cut - top)
    # What is cut off should not be the head: the nearer we are, the more it is in the middle.
    focus = max(0.0, min(1.0, (zoom - 0.95) * 2))
    x = (left + right) / 2 * (1 - focus) + head.x * focus
    y = (top + low) / 2 * (1 - focus) + (head.y + head.r * 0.6) * focus
    loose_x = max(0.0, width - scale * (right - left)) / 2 + 0.06 * width
    loose_y = max(0.0, height - scale * (low - top)) / 2 + 0.02 * height
    across = width / 2 - facing * scale * x + rng.uniform(-1, 1) * loose_x
    down = height / 2 - scale * y + rng.uniform(-0.3, 1) * loose_y
    if pose.cut:
        down = height - scale * cut

    def put(u: float, v: float, r: float) -> Disc:
        return Disc(across + facing * scale * u, down + scale * v, scale * r)

    parts = [replace(part, path=[put(*disc) for disc in part.path]) for part in parts]
    return Figure(parts, put(*head), scale, down, facing)


def _stretched(rng: Random, pose: Pose, breed: Breed) -> tuple[list[Part], Disc]:
    """The parts and the head of the breed in a pose, in units of the depth of its chest."""
    narrow, up, raised = rng.uniform(pose.narrow, 1), rng.random(), rng.uniform(0.6, 1.3)
    stride = rng.uniform(-pose.stride, pose.stride)
    longer, taller = pose.long * (breed.length - LENGTH) / 2, pose.legs * (breed.leg - LEG)

    def put(x: float, y: float, r: float, step: float = 0.0) -> Disc:
        high = min(1.0, y / pose.back)  # 0 on the ground, 1 on the back
        x = x * narrow + longer * max(-1.0, min(1.0, x)) + step * (1 - high)
        return Disc(x, y - taller * high, r)

    (x, y), (dx, dy) = pose.neck, pose.raised
    seat = put(x + dx * up, y + dy * up, 0.62)
    head = Disc(seat.x, seat.y - breed.head * 0.8, breed.head)
    parts: list[Part] = []
    for part in pose.parts:
        path = [put(*disc) for disc in part.path]
        if part.role == "neck":
            path.append(Disc(head.x - 0.05, head.y + 0.35, 0.62))
        elif part.role == "tail" and len(path) == 1:
            x, y, _ = path[0]
            path = [Disc(x + a, y + b * raised, r) for a, b, r in breed.tail]
        elif part.role == "leg":
            step, thicker = -stride if part.far else stride, breed.limb - LIMB
            path = [put(x, y, r + thicker, step) for x, y, r in part.path]
        parts.append(replace(part, path=path))
        if part.both:
            parts.append(replace(part, path=[Disc(-x, y, r) for x, y, r in path]))
    return parts, head
