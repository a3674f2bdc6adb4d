"""One animal in its place: its parts painted, marked and combed one after the other, then lit."""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt
from random import Random

from PIL import Image

from pipeline.sample.brush import SIDES, Colour, Disc, Paint, Size, Triple, dab, jittered, mix
from pipeline.sample.face import paint_face
from pipeline.sample.figure import Figure, Part, Placement
from pipeline.sample.head import Head, paint_head
from pipeline.sample.layers import Layers
from pipeline.sample.looks import Breed, Coat, Role


def own_coat(rng: Random, breed: Breed) -> Coat:
    """One of the breed's coats, a little lighter or darker than its sisters'."""
    coat = rng.choice(breed.coats)
    return replace(coat, body=jittered(rng, coat.body, 14))


def draw_animal(
    rng: Random, breed: Breed, coat: Coat, figure: Figure, placement: Placement, canvas: Size
) -> tuple[Image.Image, Image.Image]:
    """The animal (RGB, of the canvas' size) and its mask (mode L, 255 where it is)."""
    layers = Layers(canvas, sun=rng.choice(SIDES))
    for part in figure.parts:
        if part.role != "chest" or coat.chest:
            _paint_part(layers, part, placement, coat, breed.shape.hair, rng)
    turn, lean = placement.facing * rng.uniform(-0.3, 1.0), placement.facing * figure.lean
    head = Head(layers, placement.put(figure.head), turn, lean, breed, coat)
    paint_head(head, rng)
    picture = layers.finished(rng)
    paint_face(picture, head, rng)
    return picture, layers.mask


def _paint_part(
    layers: Layers, part: Part, placement: Placement, coat: Coat, hair: float, rng: Random
) -> None:
    path, tone = [placement.put(disc) for disc in part.path], 0.78 if part.far else 1.0
    discs = layers.tube(path, *coat.of(part.role), tone=tone, joined=part.joined)
    _Marks(layers.on_coat, discs, rng).paint_all(coat, part.role)
    less, fewer = (0.6, 0.35) if part.role == "leg" else (1.0, 1.0)
    length = placement.scale * (0.08 + 0.3 * hair) * less
    layers.fur(discs, length, int((150 + 700 * hair) * fewer), rng)


@dataclass(frozen=True)
class _Marks:
    """Paints stripes, rings, spots, patches and saddles on the part that the discs made."""

    paint: Paint
    discs: list[Disc]
    rng: Random

    def paint_all(self, coat: Coat, role: Role) -> None:
        """Paint those that the coat has on such a part."""
        body, furry, ring = role == "body", role in ("body", "leg"), coat.tabby or coat.spots
        if coat.shade and body:
            self.shade(coat.body, coat.shade)
        if coat.saddle and body:
            self.saddle(coat.saddle)
        if coat.patches and body:
            self.patches(coat.patches)
        if coat.tabby and body:
            self.stripes(mix(coat.body, coat.tabby, 0.75))
        if ring and role in ("leg", "tail"):
            self.rings(mix(coat.body, ring, 0.75))
        if coat.spots and body:
            self.rosettes(coat.spots, mix(coat.body, coat.spots, 0.4))
        if coat.brindle and furry:
            self.brindle(mix(coat.body, coat.brindle, 0.75))
        if coat.speckle and furry:
            self.speckles(coat.speckle, 150 if body else 40)

    def shade(self, base: Colour, dark: Colour) -> None:
        for step in range(5):
            up, size, colour = 0.2 + 0.14 * step, 0.85 - 0.12 * step, 0.1 + 0.09 * step
            higher = ((x, y - r * up, r * size) for x, y, r in self.discs)
            dab(self.paint, mix(base, dark, colour), *higher)

    def saddle(self, colour: Colour) -> None:
        for x, y, r in self.discs:
            dab(self.paint, colour, (x, y - r * 0.35, r * self.rng.uniform(0.72, 0.8)))

    def patches(self, colour: Colour) -> None:
        vary = self.rng.uniform
        for _ in range(2):
            x, y, r = self.somewhere(self.discs, 0.75)
            for _ in range(5):
                at = x + vary(-0.3, 0.3) * r, y + vary(-0.3, 0.3) * r
                dab(self.paint, colour, (*at, r * vary(0.2, 0.42)))

    def stripes(self, colour: Colour) -> None:
        for index in self.every(0.42):
            self.band(index, colour, (0.97, self.rng.uniform(-0.5, 0.1), 0.1), tapers=True)

    def rings(self, colour: Colour) -> None:
        for index in self.every(0.9):
            self.band(index, colour, (-0.95, 0.95, 0.2))

    def rosettes(self, rim: Colour, core: Colour) -> None:
        for k in range(40):
            x, y, r = self.somewhere([self.discs[len(self.discs) * k // 40]], 0.92)
            size = r * self.rng.uniform(0.07, 0.13)
            dab(self.paint, rim, (x, y, size), wide=1.4)
            dab(self.paint, core, (x, y, size * 0.45), wide=1.4)

    def brindle(self, colour: Colour) -> None:
        for index in self.every(0.16):
            start = self.rng.uniform(-0.8, 0.8)
            self.band(index, colour, (start, start - self.rng.uniform(0.3, 0.8), 0.035))

    def speckles(self, colour: Colour, count: int) -> None:
        for _ in range(count):
            x, y, r = self.somewhere(self.discs, 0.95)
            dab(self.paint, colour, (x, y, r * self.rng.uniform(0.02, 0.06)))

    def band(self, index: int, colour: Colour, stroke: Triple, tapers: bool = False) -> None:
        """A slightly bent stripe across the path, whose edges are at -1 and 1.

        `stroke` is where it starts and ends, and its thickness; all in radii.
        """
        start, end, thick = stroke
        x, y, r = self.discs[index]
        across_x, across_y = self.across(index)
        steps, bent = max(4, int(r)), self.rng.uniform(-0.2, 0.2)
        for step in range(steps + 1):
            t = step / steps
            u, v = start + (end - start) * t, bent * 4 * t * (1 - t)
            at = x + (across_x * u - across_y * v) * r, y + (across_y * u + across_x * v) * r
            size = thick * (sqrt(1 - t) if tapers else 1.0)
            dab(self.paint, colour, (*at, max(0.6, size * r)))

    def across(self, index: int) -> tuple[float, float]:
        """The unit vector across the path at this disc, pointing up, or to the right."""
        a, b = self.discs[max(0, index - 2)], self.discs[min(len(self.discs) - 1, index + 2)]
        dx, dy = b.x - a.x, b.y - a.y
        length = sqrt(dx * dx + dy * dy) or 1.0
        x, y = dy / length, -dx / length
        return (x, y) if (y < 0 or (y == 0 and x > 0)) else (-x, -y)

    def somewhere(self, discs: list[Disc], margin: float) -> Disc:
        """A random spot inside one of the discs, with that disc's radius."""
        x, y, r = discs[self.rng.randrange(len(discs))]
        while True:
            u, v = self.rng.uniform(-1, 1), self.rng.uniform(-1, 1)
            if u * u + v * v <= 1:
                return Disc(x + u * r * margin, y + v * r * margin, r)

    def every(self, gap: float) -> list[int]:
        """Indices of discs along the path, `gap` radii apart."""
        picked, walked = [], gap * 0.5
        for index, (a, b) in enumerate(pairwise(self.discs), start=1):
            dx, dy = b.x - a.x, b.y - a.y
            walked += sqrt(dx * dx + dy * dy) / max(1, b.r)
            if walked > gap:
                picked.append(index)
                walked = self.rng.uniform(-0.1, 0.1) * gap
        return picked
