"""Things that stand about behind the animal, each on its spot (`foot`), `foot.r` large."""

from collections.abc import Callable
from random import Random

from PIL import ImageDraw

from pipeline.sample.brush import Colour, Disc, box, jittered, scaled, sweep

Prop = Callable[[ImageDraw.ImageDraw, Random, Disc, Colour], None]


def block(
    paint: ImageDraw.ImageDraw, corners: tuple[int, int, int, int], radius: int, colour: Colour
) -> None:
    """A soft block, lighter towards its upper middle."""
    x0, y0, x1, y1 = corners
    for step in range(8):
        inset = step * min(x1 - x0, y1 - y0) // 22
        area = (x0 + inset, y0 + inset, x1 - inset, y1 - 2 * inset)
        paint.rounded_rectangle(area, max(0, radius - inset), scaled(colour, 0.66 + 0.06 * step))


def ball(paint: ImageDraw.ImageDraw, rng: Random, foot: Disc, colour: Colour) -> None:
    """A ball on the ground."""
    r = foot.r * rng.uniform(0.35, 0.7)
    for step in range(9):
        size = r * (1 - step / 9)
        spot = Disc(foot.x - r * 0.3 * step / 9, foot.y - r - r * 0.35 * step / 9, size)
        paint.ellipse(box(spot), scaled(colour, 0.6 + 0.08 * step))
    if rng.random() < 0.5:
        # A parabola from rim to rim.
        seam = [
            (int(foot.x + r * (t * t - 13) / 110), int(foot.y - r - r * t / 9))
            for t in range(-8, 9)
        ]
        paint.line(seam, scaled(colour, 1.5), 3)


def crate(paint: ImageDraw.ImageDraw, rng: Random, foot: Disc, colour: Colour) -> None:
    """A cardboard box or a cabinet."""
    wide, high = int(foot.r * rng.uniform(0.8, 1.6)), int(foot.r * rng.uniform(0.8, 2.0))
    x, y = int(foot.x), int(foot.y)
    paint.rectangle((x - wide, y - high, x + wide, y), scaled(colour, 0.85), scaled(colour, 0.5))
    lid = high // 5
    paint.rectangle(
        (x - wide, y - high, x + wide, y - high + lid), scaled(colour, 1.15), scaled(colour, 0.5)
    )
    paint.rectangle(
        (x - wide // 8, y - high, x + wide // 8, y - high + lid * 2), scaled(colour, 1.3)
    )


def cushion(paint: ImageDraw.ImageDraw, rng: Random, foot: Disc, colour: Colour) -> None:
    """A cushion, plain, dotted or striped like a coat."""
    wide, high = int(foot.r * rng.uniform(0.9, 1.5)), int(foot.r * rng.uniform(1.0, 1.6))
    x, y = int(foot.x), int(foot.y)
    block(paint, (x - wide, y - high, x + wide, y), int(foot.r * 0.5), colour)
    pattern, other = rng.random(), jittered(rng, colour, 70)
    if pattern < 0.35:
        for _ in range(16):
            spot = Disc(
                x + rng.uniform(-0.75, 0.75) * wide,
                y - rng.uniform(0.15, 0.85) * high,
                foot.r * 0.09,
            )
            paint.ellipse(box(spot), other)
    elif pattern < 0.6:
        for k in range(1, 6):
            column = x - wide + 2 * wide * k // 6
            paint.rectangle((column, y - high * 9 // 10, column + wide // 8, y - high // 10), other)


def plant(paint: ImageDraw.ImageDraw, rng: Random, foot: Disc, colour: Colour) -> None:
    """A plant in a pot."""
    green = jittered(rng, (78, 118, 58), 30)
    r, top = foot.r, foot.y - foot.r * 0.8
    for _ in range(14):
        tip_x, tip_y = foot.x + rng.uniform(-1.3, 1.3) * r, top - rng.uniform(0.4, 2.2) * r
        bend = Disc((foot.x + tip_x) / 2, min(top, tip_y) - r * 0.2, r * 0.13)
        tone = jittered(rng, green, 26)
        for disc in sweep([Disc(foot.x, top, r * 0.06), bend, Disc(tip_x, tip_y, 1)]):
            paint.ellipse(box(disc), tone)
    block(
        paint,
        (int(foot.x - r * 0.55), int(top), int(foot.x + r * 0.55), int(foot.y)),
        int(r * 0.15),
        colour,
    )


def bowl(paint: ImageDraw.ImageDraw, rng: Random, foot: Disc, colour: Colour) -> None:
    """A feeding bowl."""
    r = foot.r * 0.5
    for step in range(6):
        disc = Disc(foot.x, foot.y - r * 0.4, r * (0.55 - 0.04 * step))
        paint.ellipse(box(disc, wide=2.0), scaled(colour, 0.7 + 0.1 * step))
    rim = Disc(foot.x, foot.y - r * 0.62, r * 0.34)
    paint.ellipse(box(rim, wide=2.7), scaled(colour, 1.2))
    paint.ellipse(box(rim, 0.8, wide=2.7), (96, 62, 40))


def post(paint: ImageDraw.ImageDraw, rng: Random, foot: Disc, colour: Colour) -> None:
    """A table leg, a door frame or a tree trunk."""
    wide, x = int(foot.r * rng.uniform(0.15, 0.4)) + 2, int(foot.x)
    for step in range(6):
        inset = step * wide // 9
        paint.rectangle(
            (x - wide + inset, 0, x + wide - 2 * inset, int(foot.y)),
            scaled(colour, 0.6 + 0.09 * step),
        )


def sofa(paint: ImageDraw.ImageDraw, rng: Random, foot: Disc, colour: Colour) -> None:
    """A sofa with two seats."""
    x, y, r = int(foot.x), int(foot.y), int(foot.r)
    block(paint, (x - 3 * r, y - 3 * r, x + 3 * r, y - r), r // 2, colour)
    for side in (-1, 1):
        left = x + (side - 1) * 3 * r // 2
        block(paint, (left, y - 3 * r // 2, left + 3 * r, y), r // 3, colour)
        block(
            paint,
            (x + side * 3 * r - r // 2, y - 2 * r, x + side * 3 * r + r // 2, y),
            r // 3,
            colour,
        )


INDOORS: tuple[Prop, ...] = (ball, crate, cushion, cushion, plant, bowl, post, sofa, sofa)
OUTDOORS: tuple[Prop, ...] = (ball, ball, crate, plant, post)
