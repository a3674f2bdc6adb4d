"""The animal while it is painted: where it is, what colour and marks it has, how it is lit."""

from collections.abc import Sequence
from math import sqrt
from random import Random
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from pipeline.sample.brush import Colour, Disc, Size, Triple, dab, lit, mix, noise, sweep
from pipeline.sample.looks import Coat

RIM, FLAT, CORE = 56, 118, 138  # light at the edge of a round part, in its middle, at its top
SOFT = ImageFilter.BoxBlur(1)
RING = 4  # discs from one of a tabby's rings to the next

# Marks that lie on the back: how far up and how large, in radii of the trunk, and how strong.
RAISED = (
    ("shade", 0.2, 0.85, 0.15),
    ("shade", 0.4, 0.65, 0.3),
    ("shade", 0.6, 0.42, 0.45),
    ("saddle", 0.35, 0.76, 1.0),
)
# Marks that are dabs: where, how many, how large (in radii of the part), and width by height.
SCATTERED = (
    ("patches", ("body",), 4, (0.25, 0.45), 1.2),
    ("spots", ("body", "neck"), 36, (0.07, 0.13), 1.4),
    ("brindle", ("body", "neck", "leg"), 50, (0.1, 0.28), 0.15),
    ("speckle", ("body", "neck", "leg", "head"), 90, (0.02, 0.06), 1.0),
)


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

    def tube(
        self,
        path: Sequence[Triple],
        ends: tuple[Colour, Colour],
        tone: float = 1,
        joined: float = 0,
        rings: Colour | None = None,
    ) -> list[Disc]:
        """Paint one round part along a path, its colour running from one end's to the other's.

        Its light is painted as nested tubes, dark rim to bright core. A part that is `joined`
        (0 to 1) begins with so much less relief, since it grows out of what is already there.
        Returns the discs painted.
        """
        discs = sweep(*path)
        dab(self.on_mask, 255, *discs)
        for index, disc in enumerate(discs):
            colour = mix(*ends, index / len(discs))
            if rings and index % RING == 1:  # the next discs leave a bow of it
                colour = mix(colour, rings, 0.75)
            dab(self.on_coat, colour, disc)
        steps = min(8, max(3, int(max(disc.r for disc in discs)) // 4))
        for step in range(steps):
            inward = step / steps
            glow = RIM + (CORE - RIM) * sqrt(1 - (1 - inward) ** 2)
            for index, (x, y, r) in enumerate(discs):
                relief = 1 - joined * max(0.0, 1 - 1.6 * index / len(discs))
                value = round(tone * (FLAT + (glow - FLAT) * relief))
                shifted = x + self.sun * r * inward * 0.35, y - r * inward * 0.4, r * (1 - inward)
                dab(self.on_light, value, shifted)
        return discs

    def mark(self, rng: Random, coat: Coat, role: str, discs: list[Disc]) -> None:
        """Paint the coat's marks on a part, right after the part itself, which these discs made."""
        for mark, up, size, strength in RAISED:
            if mark in coat and role == "body":
                higher = ((x, y - r * up, r * size) for x, y, r in discs)
                dab(self.on_coat, mix(coat["body"], coat[mark], strength), *higher)
        for mark, roles, count, sizes, wide in SCATTERED:
            for _ in range(count if mark in coat and role in roles else 0):
                x, y, r = rng.choice(discs)
                spot = x + rng.uniform(-0.7, 0.7) * r, y + rng.uniform(-0.7, 0.7) * r
                dab(self.on_coat, coat[mark], (*spot, r * rng.uniform(*sizes)), wide=wide)

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
            self.on_coat.line(tuft, coat[x, y])
            self.on_mask.line(tuft, 255)

    def finished(self, rng: Random) -> Image.Image:
        """The lit animal (RGB) with a fine grain; valid where the mask is."""
        grain = noise(rng, self.mask.size, (2, 4), 0, 22)
        light = ImageChops.add(self.light.filter(SOFT), grain, offset=-11)
        return lit(self.coat.filter(SOFT), light)
