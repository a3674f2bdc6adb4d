"""The coordinates of a head: centre at (0, 0), the skull reaches to about 1, v downwards."""

from dataclasses import dataclass
from itertools import pairwise

from pipeline.sample.brush import Disc
from pipeline.sample.looks import Breed, Coat

Point = tuple[float, float]  # u, v
Spot = tuple[float, float, float]  # u, v, radius


@dataclass(frozen=True)
class Head:
    """One head in place: its disc on the canvas, how it is turned, and what it belongs to."""

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

    def path(self, *spots: Spot, depth: float = 0.0) -> list[Disc]:
        """Several such spots."""
        return [self.at(*spot, depth) for spot in spots]

    def line(self, r: float, depth: float, *points: Point) -> list[Disc]:
        """The discs of a line of even thickness through the points."""
        spots: list[Spot] = []
        for (u, v), (p, q) in pairwise(points):
            spots += [(u + (p - u) * step / 12, v + (q - v) * step / 12, r) for step in range(13)]
        return self.path(*spots, depth=depth)
