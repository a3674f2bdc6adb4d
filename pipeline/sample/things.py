"""Things behind the animal (props), and in front of it (occluders).

A prop stands on its spot, `foot`, and is about `foot.r` large. What an occluder hides is background
in the trimap. It must paint the same pixels whatever the colour, and none of them black when it is
white: painted in white it is the stencil of what it hides.
"""

from random import Random

from PIL import Image, ImageColor, ImageDraw

from pipeline.sample.brush import Colour, Disc, Paint, Size, dab, jittered, mix, scaled, sweep
from pipeline.sample.looks import Coat


def colours(codes: str) -> tuple[Colour, ...]:
    """The colours of hexadecimal codes with blanks between."""
    return tuple(ImageColor.getrgb(code)[:3] for code in codes.split())


# Colours of homes and gardens. Many are also colours of coats: colour alone must not tell.
HOME = colours(
    "#ded6c8 #c4b094 #966e4c #78543c #626874 #cec6be"
    " #5c788c #96463e #7a8a70 #463e3e #d6bea0 #e8e4de"
)
TOYS = colours("#c43e36 #3a6eaa #e2bc40 #5a9660")


def _block(paint: Paint, corners: tuple[int, int, int, int], radius: int, colour: Colour) -> None:
    x0, y0, x1, y1 = corners
    for step in range(8):
        inset = step * min(x1 - x0, y1 - y0) // 22
        area = (x0 + inset, y0 + inset, x1 - inset, y1 - 2 * inset)
        paint.rounded_rectangle(area, max(0, radius - inset), scaled(colour, 0.66 + 0.06 * step))


def ball(paint: Paint, rng: Random, foot: Disc, colour: Colour) -> None:
    x, y, r = foot.x, foot.y, foot.r * rng.uniform(0.35, 0.7)
    for step in range(9):
        spot = (x - r * 0.3 * step / 9, y - r - r * 0.35 * step / 9, r * (1 - step / 9))
        dab(paint, scaled(colour, 0.6 + 0.08 * step), spot)
    if rng.random() < 0.5:  # with a seam: a parabola from rim to rim
        seam = [(int(x + r * (t * t - 13) / 110), int(y - r - r * t / 9)) for t in range(-8, 9)]
        paint.line(seam, scaled(colour, 1.5), 3)


def crate(paint: Paint, rng: Random, foot: Disc, colour: Colour) -> None:
    wide, high = int(foot.r * rng.uniform(0.8, 1.6)), int(foot.r * rng.uniform(0.8, 2.0))
    x, y, lid, edge = int(foot.x), int(foot.y), high // 5, scaled(colour, 0.5)
    top = y - high
    paint.rectangle((x - wide, top, x + wide, y), scaled(colour, 0.85), edge)
    paint.rectangle((x - wide, top, x + wide, top + lid), scaled(colour, 1.15), edge)
    paint.rectangle((x - wide // 8, top, x + wide // 8, top + lid * 2), scaled(colour, 1.3))


def cushion(paint: Paint, rng: Random, foot: Disc, colour: Colour) -> None:
    """A cushion, plain, dotted or striped like a coat."""
    wide, high = int(foot.r * rng.uniform(0.9, 1.5)), int(foot.r * rng.uniform(1.0, 1.6))
    x, y = int(foot.x), int(foot.y)
    _block(paint, (x - wide, y - high, x + wide, y), int(foot.r * 0.5), colour)
    pattern, other = rng.random(), jittered(rng, colour, 70)
    if pattern < 0.35:
        for _ in range(16):
            at = x + rng.uniform(-0.75, 0.75) * wide, y - rng.uniform(0.15, 0.85) * high
            dab(paint, other, (*at, foot.r * 0.09))
    elif pattern < 0.6:
        for k in range(1, 6):
            column = x - wide + 2 * wide * k // 6
            paint.rectangle((column, y - high * 9 // 10, column + wide // 8, y - high // 10), other)


def plant(paint: Paint, rng: Random, foot: Disc, colour: Colour) -> None:
    green = jittered(rng, (78, 118, 58), 30)
    x, y, r = foot
    top = y - r * 0.8
    for _ in range(14):
        tip_x, tip_y = x + rng.uniform(-1.3, 1.3) * r, top - rng.uniform(0.4, 2.2) * r
        bend = ((x + tip_x) / 2, min(top, tip_y) - r * 0.2, r * 0.13)
        leaf = sweep((x, top, r * 0.06), bend, (tip_x, tip_y, 1))
        dab(paint, jittered(rng, green, 26), *leaf)
    pot = (int(x - r * 0.55), int(top), int(x + r * 0.55), int(y))
    _block(paint, pot, int(r * 0.15), colour)


def bowl(paint: Paint, rng: Random, foot: Disc, colour: Colour) -> None:
    x, y, r = foot.x, foot.y, foot.r * 0.5
    for step in range(6):
        disc = (x, y - r * 0.4, r * (0.55 - 0.04 * step))
        dab(paint, scaled(colour, 0.7 + 0.1 * step), disc, wide=2.0)
    dab(paint, scaled(colour, 1.2), (x, y - r * 0.62, r * 0.34), wide=2.7)
    dab(paint, (96, 62, 40), (x, y - r * 0.62, r * 0.34 * 0.8), wide=2.7)


def post(paint: Paint, rng: Random, foot: Disc, colour: Colour) -> None:
    """A table leg, a door frame or a tree trunk."""
    wide, x, y = int(foot.r * rng.uniform(0.15, 0.4)) + 2, int(foot.x), int(foot.y)
    for step in range(6):
        inset = step * wide // 9
        area = (x - wide + inset, 0, x + wide - 2 * inset, y)
        paint.rectangle(area, scaled(colour, 0.6 + 0.09 * step))


def sofa(paint: Paint, rng: Random, foot: Disc, colour: Colour) -> None:
    x, y, r = map(int, foot)
    _block(paint, (x - 3 * r, y - 3 * r, x + 3 * r, y - r), r // 2, colour)
    for side in (-1, 1):
        seat, arm = x + (side - 1) * 3 * r // 2, x + side * 3 * r
        _block(paint, (seat, y - 3 * r // 2, seat + 3 * r, y), r // 3, colour)
        _block(paint, (arm - r // 2, y - 2 * r, arm + r // 2, y), r // 3, colour)


def blades(paint: Paint, rng: Random, size: Size, colour: Colour) -> None:
    """Tall grass along the lower edge."""
    middle, spread = rng.uniform(0, size[0]), size[0] * rng.uniform(0.2, 0.5)
    low, tall = size[1], size[1] * rng.uniform(0.12, 0.3)
    green = jittered(rng, mix(colour, (86, 124, 56), 0.7), 16)
    for _ in range(int(spread / 7)):
        x, high = middle + rng.uniform(-1, 1) * spread, tall * rng.uniform(0.4, 1.1)
        lean = rng.uniform(-0.4, 0.4) * high
        bend, tip = (x + lean * 0.3, low - high * 0.55, 3), (x + lean, low - high, 1)
        dab(paint, jittered(rng, green, 34), *sweep((x, low + 4, 4), bend, tip))


def near_ball(paint: Paint, rng: Random, size: Size, colour: Colour) -> None:
    foot = Disc(rng.uniform(0.1, 0.9) * size[0], size[1] * rng.uniform(0.95, 1.08), size[1] * 0.25)
    ball(paint, rng, foot, colour)


def near_edge(paint: Paint, rng: Random, size: Size, colour: Colour) -> None:
    """The edge of a box, a table or a bed along the lower edge."""
    top = int(size[1] * rng.uniform(0.82, 0.93))
    paint.rectangle((0, top, size[0], size[1]), scaled(colour, 0.78))
    paint.rectangle((0, top, size[0], top + 8), scaled(colour, 1.12))
    for _ in range(30):
        y, x = rng.randrange(top + 8, size[1]), rng.randrange(size[0])
        paint.line(((x, y), (x + rng.randrange(20, 120), y)), scaled(colour, 0.7))


def slats(paint: Paint, rng: Random, size: Size, colour: Colour) -> None:
    for _ in range(rng.choice((1, 1, 2))):
        x, wide = rng.randrange(size[0]), rng.randrange(9, 20)
        paint.rectangle((x, 0, x + wide, size[1]), scaled(colour, 0.75))
        paint.rectangle((x + wide // 4, 0, x + wide * 2 // 3, size[1]), scaled(colour, 1.1))


def spray(paint: Paint, rng: Random, size: Size, colour: Colour) -> None:
    """A leafy twig that hangs in from a side."""
    side, high = rng.choice((0, size[0])), size[1] * rng.uniform(0.1, 0.8)
    inward = size[0] if side == 0 else -size[0]
    middle, tip = (side + inward * 0.12, high - 14, 3), (side + inward * 0.25, high + 10, 1)
    stem = sweep((side, high, 4), middle, tip)
    dab(paint, (92, 70, 44), *stem)
    for x, y, _ in stem[:: max(1, len(stem) // 9)]:
        leaf = (x + rng.randint(-6, 6), y + rng.choice((-10, 10)), rng.randint(7, 11))
        dab(paint, jittered(rng, mix(colour, (92, 132, 64), 0.6), 24), leaf, wide=1.6)


INDOORS = (ball, crate, cushion, cushion, plant, bowl, post, sofa, sofa)
OUTDOORS = (ball, ball, crate, plant, post)
BEFORE_INDOORS = (near_ball, near_edge, slats)
BEFORE_OUTDOORS = (blades, blades, near_ball, slats, spray)


def furnish(rng: Random, picture: Image.Image, horizon: int, coat: Coat, outdoors: bool) -> None:
    """Put one to three props on the floor, the far ones first and smaller."""
    paint, (width, height) = ImageDraw.Draw(picture), picture.size
    top, low = horizon + 0.02 * height, height * 0.95
    for y in sorted(rng.uniform(top, low) for _ in range(rng.randint(1, 3))):
        near = 0.4 + 0.6 * (y - horizon) / height
        foot = Disc(rng.uniform(-0.05, 1.05) * width, y, height * 0.22 * near)
        prop = rng.choice(OUTDOORS if outdoors else INDOORS)
        prop(paint, rng, foot, thing_colour(rng, coat))


def thing_colour(rng: Random, coat: Coat) -> Colour:
    """The colour of a thing: now and then the coat's own."""
    if rng.random() < 0.2:
        return jittered(rng, rng.choice(coat.palette()), 24)
    return rng.choice(HOME + TOYS)
