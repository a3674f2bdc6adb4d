"""The animal while it is painted: where it is, what colour and marks it has, how it is lit."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from random import Random
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from pipeline.sample.brush import Colour, Disc, Paint, Size, Triple, dab, lit, mix, noise, sweep
from pipeline.sample.looks import Coat, Role

Path = Sequence[Triple]
Ends = tuple[Colour, Colour]  # of a part, where it begins and where it ends

RIM, FLAT, CORE = 56, 118, 138  # light at the edge of a round part, in its middle, at its top
SOFT = ImageFilter.BoxBlur(1)


class Layers:
    """Three pictures of one size that are painted together, far parts first."""

    def __init__(self, size: Size, sun: int) -> None:
        self.mask = Image.new("L", size)
        self.coat = Image.new("RGB", size)
        self.light = Image.new("L", size, RIM)
        self.sun = sun  # -1: light from the left, 1: from the right
        self.on_mask = ImageDraw.Draw(self.mask)
        self.on_coat = ImageDraw.Draw(self.coat)
        self.on_light = ImageDraw.Draw(self.light)

    def tube(self, path: Path, ends: Ends, tone: float = 1, joined: float = 0) -> list[Disc]:
        """Paint one round part along a path, its colour running from one end's to the other's.

        Its light is painted as nested tubes, dark rim to bright core. A part that is `joined`
        (0 to 1) begins with so much less relief, since it grows out of what is already there.
        Returns the discs painted.
        """
        discs = sweep(*path)
        dab(self.on_mask, 255, *discs)
        for index, disc in enumerate(discs):
            dab(self.on_coat, mix(*ends, index / len(discs)), disc)
        reliefs = [1 - joined * max(0.0, 1 - 1.6 * i / len(discs)) for i in range(len(discs))]
        steps = min(8, max(3, int(max(disc.r for disc in discs)) // 4))
        for step in range(steps):
            inward = step / steps
            glow = RIM + (CORE - RIM) * sqrt(1 - (1 - inward) ** 2)
            for (x, y, r), relief in zip(discs, reliefs, strict=True):
                value = round(tone * (FLAT + (glow - FLAT) * relief))
                shifted = x + self.sun * r * inward * 0.35, y - r * inward * 0.4, r * (1 - inward)
                dab(self.on_light, value, shifted)
        return discs

    def fur(self, discs: list[Disc], length: float, count: int, rng: Random) -> None:
        """Comb `count` tufts of about `length` pixels out of the discs, outwards and down."""
        where: Any = self.mask.load()  # Any: Pillow's types allow for images without pixels
        coat: Any = self.coat.load()
        light: Any = self.light.load()
        width, height = self.mask.size
        half, chance = int(length / 7), rng.random
        for _ in range(count):
            disc = discs[int(chance() * len(discs))]
            u, v = 2 * chance() - 1, 2 * chance() - 1
            x, y = int(disc.x + u * disc.r * 0.94), int(disc.y + v * disc.r * 0.94)
            inside = u * u + v * v <= 1 and 0 <= x < width and 0 <= y < height
            if not inside or not where[x, y]:
                continue
            reach = length * (0.5 + 0.7 * chance())
            tip_x = round(x + (u * 0.75 + 0.5 * chance() - 0.25) * reach)
            tip_y = round(y + (v * 0.5 + 0.25 + 0.4 * chance()) * reach)
            tip, slope = (tip_x, tip_y), 1 if u * v < 0 else -1
            tuft = [tip]  # several hairs that meet in a tip, in one zigzag
            for root in range(-half, half + 1):
                tuft += [(x + root, y + slope * root), tip]
            self.on_light.line(tuft, max(104, light[x, y]) - 18 + int(35 * chance()))
            if 0 <= tip_x < width and 0 <= tip_y < height:
                if coat[tip] != coat[x, y]:
                    self.on_coat.line(tuft, coat[x, y])
                if not where[tip]:
                    self.on_mask.line(tuft, 255)

    def finished(self, rng: Random) -> Image.Image:
        """The lit animal (RGB) with a fine grain; valid where the mask is."""
        frame = self.mask.getbbox()
        assert frame, "the frame cuts off all of the animal"
        coat, light = self.coat.crop(frame), self.light.crop(frame).filter(SOFT)
        grain = noise(rng, coat.size, (2, 4), 0, 22)
        light = ImageChops.add(light, grain, offset=-11)
        self.coat.paste(lit(coat.filter(SOFT), light), frame[:2])
        return self.coat


def mark(paint: Paint, coat: Coat, role: Role, discs: list[Disc], rng: Random) -> None:
    """Paint the coat's marks on a part, right after the part itself, which these discs made."""
    part, ring = _Part(paint, discs, rng), coat.tabby or coat.spots
    if role == "body":
        _mark_trunk(part, coat)
    elif ring and role in ("leg", "tail"):
        for index in part.every(0.9):
            part.band(index, mix(coat.body, ring, 0.75), (-0.95, 0.95, 0.2))
    if coat.spots and role == "body":
        for k in range(40):  # rosettes
            x, y, r = part.somewhere(0.92, [discs[len(discs) * k // 40]])
            size = r * rng.uniform(0.07, 0.13)
            dab(paint, coat.spots, (x, y, size), wide=1.4)
            dab(paint, mix(coat.body, coat.spots, 0.4), (x, y, size * 0.45), wide=1.4)
    if coat.brindle and role in ("body", "leg"):
        for index in part.every(0.16):
            start = rng.uniform(-0.8, 0.8)
            stroke = (start, start - rng.uniform(0.3, 0.8), 0.035)
            part.band(index, mix(coat.body, coat.brindle, 0.75), stroke)
    if coat.speckle and role in ("body", "leg"):
        for _ in range(150 if role == "body" else 40):
            x, y, r = part.somewhere(0.95)
            dab(paint, coat.speckle, (x, y, r * rng.uniform(0.02, 0.06)))


def _mark_trunk(part: "_Part", coat: Coat) -> None:
    paint, discs, vary = part.paint, part.discs, part.rng.uniform
    if coat.shade:
        for step in range(5):
            up, size, dark = 0.2 + 0.14 * step, 0.85 - 0.12 * step, 0.1 + 0.09 * step
            higher = ((x, y - r * up, r * size) for x, y, r in discs)
            dab(paint, mix(coat.body, coat.shade, dark), *higher)
    if coat.saddle:
        dab(paint, coat.saddle, *((x, y - r * 0.35, r * vary(0.72, 0.8)) for x, y, r in discs))
    if coat.patches:
        for x, y, r in (part.somewhere(0.75) for _ in range(2)):
            for _ in range(5):
                at = x + vary(-0.3, 0.3) * r, y + vary(-0.3, 0.3) * r
                dab(paint, coat.patches, (*at, r * vary(0.2, 0.42)))
    if coat.tabby:
        for index in part.every(0.42):
            stroke = (0.97, vary(-0.5, 0.1), 0.1)
            part.band(index, mix(coat.body, coat.tabby, 0.75), stroke, tapers=True)


@dataclass(frozen=True)
class _Part:
    """A painted part, and ways to find one's place on it."""

    paint: Paint
    discs: list[Disc]
    rng: Random

    def band(self, index: int, colour: Colour, stroke: Triple, tapers: bool = False) -> None:
        """Paint a slightly bent stripe across the path, whose edges are at -1 and 1.

        `stroke` is where it starts and ends, and its thickness; all in radii.
        """
        (x, y, r), (start, end, thick) = self.discs[index], stroke
        a, b = self.discs[max(0, index - 2)], self.discs[min(len(self.discs) - 1, index + 2)]
        dx, dy = b.x - a.x, b.y - a.y
        length = sqrt(dx * dx + dy * dy) or 1.0
        across_x, across_y = dy / length, -dx / length
        if across_y > 0 or (across_y == 0 and across_x <= 0):  # upwards, or to the right
            across_x, across_y = -across_x, -across_y
        steps, bent = max(4, int(r)), self.rng.uniform(-0.2, 0.2)
        for step in range(steps + 1):
            t = step / steps
            u, v = start + (end - start) * t, bent * 4 * t * (1 - t)
            at = x + (across_x * u - across_y * v) * r, y + (across_y * u + across_x * v) * r
            size = thick * (sqrt(1 - t) if tapers else 1.0)
            dab(self.paint, colour, (*at, max(0.6, size * r)))

    def somewhere(self, margin: float, discs: list[Disc] | None = None) -> Disc:
        """A random spot inside one of these discs, by default of all, with that disc's radius."""
        discs = discs or self.discs
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
