"""Stripes, rings, spots, patches and saddles, painted on a part right after the part itself."""

from itertools import pairwise
from math import sqrt
from random import Random
from typing import NamedTuple

from pipeline.sample.brush import Colour, Disc, box, mix
from pipeline.sample.layers import Layers
from pipeline.sample.looks import Coat, Role


class Band(NamedTuple):
    """A stripe across a path, whose edges are at -1 and 1; thickness in units of its radius."""

    start: float
    end: float
    thick: float
    tapers: bool = False


def mark(layers: Layers, coat: Coat, role: Role, discs: list[Disc], rng: Random) -> None:
    """Paint the coat's marks on the part that these discs made."""
    body, limb, furry = role == "body", role in ("leg", "tail"), role in ("body", "leg")
    if coat.shade and body:
        _shade(layers, discs, coat.body, coat.shade)
    if coat.saddle and body:
        _saddle(layers, discs, coat.saddle, rng)
    if coat.patches and body:
        _patches(layers, discs, coat.patches, rng)
    if coat.tabby and body:
        _stripes(layers, discs, mix(coat.body, coat.tabby, 0.75), rng)
    if (coat.tabby or coat.spots) and limb:
        _rings(layers, discs, mix(coat.body, coat.tabby or coat.spots or coat.body, 0.75), rng)
    if coat.spots and body:
        _rosettes(layers, discs, coat.spots, mix(coat.body, coat.spots, 0.4), rng)
    if coat.brindle and furry:
        _brindle(layers, discs, mix(coat.body, coat.brindle, 0.75), rng)
    if coat.speckle and furry:
        _speckles(layers, discs, coat.speckle, 150 if body else 40, rng)


def _shade(layers: Layers, discs: list[Disc], base: Colour, dark: Colour) -> None:
    for step in range(5):
        colour = mix(base, dark, 0.1 + 0.09 * step)
        for x, y, r in discs:
            up, size = 0.2 + 0.14 * step, 0.85 - 0.12 * step
            layers.dab(colour, [Disc(x, y - r * up, r * size)])


def _saddle(layers: Layers, discs: list[Disc], colour: Colour, rng: Random) -> None:
    for x, y, r in discs:
        layers.dab(colour, [Disc(x, y - r * 0.35, r * rng.uniform(0.72, 0.8))])


def _patches(layers: Layers, discs: list[Disc], colour: Colour, rng: Random) -> None:
    for _ in range(2):
        x, y, r = _somewhere(discs, rng, 0.75)
        for _ in range(5):
            at = x + rng.uniform(-0.3, 0.3) * r, y + rng.uniform(-0.3, 0.3) * r
            layers.dab(colour, [Disc(*at, r * rng.uniform(0.2, 0.42))])


def _stripes(layers: Layers, discs: list[Disc], colour: Colour, rng: Random) -> None:
    for index in _every(discs, 0.42, rng):
        _band(
            layers,
            discs,
            index,
            Band(0.97, rng.uniform(-0.5, 0.1), 0.1, tapers=True),
            colour,
            rng=rng,
        )


def _rings(layers: Layers, discs: list[Disc], colour: Colour, rng: Random) -> None:
    for index in _every(discs, 0.9, rng):
        _band(layers, discs, index, Band(-0.95, 0.95, 0.2), colour, rng=rng)


def _rosettes(layers: Layers, discs: list[Disc], rim: Colour, core: Colour, rng: Random) -> None:
    for k in range(40):
        x, y, r = _somewhere([discs[len(discs) * k // 40]], rng, 0.92)
        size = r * rng.uniform(0.07, 0.13)
        layers.on_coat.ellipse(box(Disc(x, y, size), wide=1.4), rim)
        layers.on_coat.ellipse(box(Disc(x, y, size * 0.45), wide=1.4), core)


def _brindle(layers: Layers, discs: list[Disc], colour: Colour, rng: Random) -> None:
    for index in _every(discs, 0.16, rng):
        start = rng.uniform(-0.8, 0.8)
        band = Band(start, start - rng.uniform(0.3, 0.8), 0.035)
        _band(layers, discs, index, band, colour, rng=rng)


def _speckles(layers: Layers, discs: list[Disc], colour: Colour, count: int, rng: Random) -> None:
    for _ in range(count):
        x, y, r = _somewhere(discs, rng, 0.95)
        layers.dab(colour, [Disc(x, y, r * rng.uniform(0.02, 0.06))])


def _band(
    layers: Layers, discs: list[Disc], index: int, band: Band, colour: Colour, *, rng: Random
) -> None:
    """Paint a slightly bent stripe across the path."""
    x, y, r = discs[index]
    across_x, across_y = _across(discs, index)
    steps, bent = max(4, int(r)), rng.uniform(-0.2, 0.2)
    for step in range(steps + 1):
        t = step / steps
        u, v = band.start + (band.end - band.start) * t, bent * 4 * t * (1 - t)
        thick = band.thick * (sqrt(1 - t) if band.tapers else 1.0)
        at = x + (across_x * u - across_y * v) * r, y + (across_y * u + across_x * v) * r
        layers.dab(colour, [Disc(*at, max(0.6, thick * r))])


def _across(discs: list[Disc], index: int) -> tuple[float, float]:
    """The unit vector across the path at this disc, pointing up, or to the right."""
    a, b = discs[max(0, index - 2)], discs[min(len(discs) - 1, index + 2)]
    dx, dy = b.x - a.x, b.y - a.y
    length = sqrt(dx * dx + dy * dy) or 1.0
    x, y = dy / length, -dx / length
    return (x, y) if (y < 0 or (y == 0 and x > 0)) else (-x, -y)


def _somewhere(discs: list[Disc], rng: Random, margin: float) -> Disc:
    """A random spot inside one of the discs, with that disc's radius."""
    x, y, r = discs[rng.randrange(len(discs))]
    while True:
        u, v = rng.uniform(-1, 1), rng.uniform(-1, 1)
        if u * u + v * v <= 1:
            return Disc(x + u * r * margin, y + v * r * margin, r)


def _every(discs: list[Disc], gap: float, rng: Random) -> list[int]:
    """Indices of discs along the path, `gap` radii apart."""
    picked, walked = [], gap * 0.5
    for index, (a, b) in enumerate(pairwise(discs), start=1):
        dx, dy = b.x - a.x, b.y - a.y
        walked += sqrt(dx * dx + dy * dy) / max(1, b.r)
        if walked > gap:
            picked.append(index)
            walked = rng.uniform(-0.1, 0.1) * gap
    return picked
