"""The animal while it is painted: where it is, what colour it has, and how light falls on it."""

from math import sqrt
from random import Random
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from pipeline.sample.brush import Colour, Disc, Size, dab, level, lit, mix, noise, sweep

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

    def tube(
        self,
        controls: list[Disc],
        start: Colour,
        end: Colour | None = None,
        tone: float = 1.0,
        joined: float = 0.0,
    ) -> list[Disc]:
        """Paint one round part along a path, its colour running from start to end.

        Its light is painted as nested tubes, dark rim to bright core. A part that is `joined`
        (0 to 1) begins with so much less relief, since it grows out of what is already there.
        Returns the discs painted.
        """
        discs = sweep(controls)
        dab(self.on_mask, 255, *discs)
        for index, disc in enumerate(discs):
            dab(self.on_coat, mix(start, end or start, index / len(discs)), disc)
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
        where, coat, light = _pixels(self.mask), _pixels(self.coat), _pixels(self.light)
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
        if frame is None:
            return self.coat
        coat, light = self.coat.crop(frame), self.light.crop(frame).filter(SOFT)
        grain = level(noise(rng, coat.size, (2, 4)), 0, 22)
        picture = self.coat.copy()
        picture.paste(lit(coat.filter(SOFT), ImageChops.add(light, grain, offset=-11)), frame[:2])
        return picture


def _pixels(image: Image.Image) -> Any:
    """The image's pixels by column and row; Pillow's types allow for images without any."""
    return image.load()
