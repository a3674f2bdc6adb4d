"""Things in front of the animal: what they hide is background in the trimap.

Each must paint the same pixels whatever the colour, and none of them black when it is white:
painted in white they are the stencil of what they hide.
"""

from collections.abc import Callable
from random import Random

from PIL import ImageDraw

from pipeline.sample.brush import Colour, Disc, Size, box, jittered, mix, scaled, sweep
from pipeline.sample.props import ball

Occluder = Callable[[ImageDraw.ImageDraw, Random, Size, Colour], None]


def blades(paint: ImageDraw.ImageDraw, rng: Random, size: Size, colour: Colour) -> None:
    """Tall grass along the lower edge."""
    middle, spread = rng.uniform(0, size[0]), size[0] * rng.uniform(0.2, 0.5)
    tall = size[1] * rng.uniform(0.12, 0.3)
    green = jittered(rng, mix(colour, (86, 124, 56), 0.7), 16)
    for _ in range(int(spread / 7)):
        x, high = middle + rng.uniform(-1, 1) * spread, tall * rng.uniform(0.4, 1.1)
        lean = rng.uniform(-0.4, 0.4) * high
        path = [
            Disc(x, size[1] + 4, 4),
            Disc(x + lean * 0.3, size[1] - high * 0.55, 3),
            Disc(x + lean, size[1] - high, 1),
        ]
        tone = jittered(rng, green, 34)
        for disc in sweep(path):
            paint.ellipse(box(disc), tone)


def near_ball(paint: ImageDraw.ImageDraw, rng: Random, size: Size, colour: Colour) -> None:
    """A ball in front."""
    foot = Disc(rng.uniform(0.1, 0.9) * size[0], size[1] * rng.uniform(0.95, 1.08), size[1] * 0.25)
    ball(paint, rng, foot, colour)


def near_edge(paint: ImageDraw.ImageDraw, rng: Random, size: Size, colour: Colour) -> None:
    """The edge of a box, a table or a bed along the lower edge."""
    top = int(size[1] * rng.uniform(0.82, 0.93))
    paint.rectangle((0, top, size[0], size[1]), scaled(colour, 0.78))
    paint.rectangle((0, top, size[0], top + 8), scaled(colour, 1.12))
    for _ in range(30):
        y, x = rng.randrange(top + 8, size[1]), rng.randrange(size[0])
        paint.line(((x, y), (x + rng.randrange(20, 120), y)), scaled(colour, 0.7))


def slats(paint: ImageDraw.ImageDraw, rng: Random, size: Size, colour: Colour) -> None:
    """One or two bars of a fence or a chair."""
    for _ in range(rng.choice((1, 1, 2))):
        x, wide = rng.randrange(size[0]), rng.randrange(9, 20)
        paint.rectangle((x, 0, x + wide, size[1]), scaled(colour, 0.75))
        paint.rectangle((x + wide // 4, 0, x + wide * 2 // 3, size[1]), scaled(colour, 1.1))


def spray(paint: ImageDraw.ImageDraw, rng: Random, size: Size, colour: Colour) -> None:
    """A leafy twig that hangs in from a side."""
    side, high = rng.choice((0, size[0])), size[1] * rng.uniform(0.1, 0.8)
    inward = 1 if side == 0 else -1
    stem = sweep(
        [
            Disc(side, high, 4),
            Disc(side + inward * size[0] * 0.12, high - 14, 3),
            Disc(side + inward * size[0] * 0.25, high + 10, 1),
        ]
    )
    for disc in stem:
        paint.ellipse(box(disc), (92, 70, 44))
    for disc in stem[:: max(1, len(stem) // 9)]:
        leaf = Disc(disc.x + rng.randint(-6, 6), disc.y + rng.choice((-10, 10)), rng.randint(7, 11))
        paint.ellipse(box(leaf, wide=1.6), jittered(rng, mix(colour, (92, 132, 64), 0.6), 24))


INDOORS: tuple[Occluder, ...] = (near_ball, near_edge, slats)
OUTDOORS: tuple[Occluder, ...] = (blades, blades, near_ball, slats, spray)
