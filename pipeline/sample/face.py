"""Faces: eyes, nose, mouth, tongue and whiskers, painted on the finished, lit animal."""

from random import Random

from PIL import Image, ImageDraw

from pipeline.sample.brush import SIDES, Colour, Disc, Paint, Triple, dab, scaled
from pipeline.sample.head import ROSY, Head

NIGHT, SHINE, WHISKER = (26, 22, 24), (255, 255, 255), (236, 234, 230)
LEATHER, GLOSS, TONGUE = (70, 50, 52), (150, 146, 150), (226, 112, 118)

# Eyes from the rim inwards: u from the eye's centre, v, radius, width by height, and a colour or
# how much lighter than the iris.
CAT_EYE = (
    *((0, -0.02, 0.215, 1.12, NIGHT), (0, -0.02, 0.175, 1.1, 0.8), (0, 0.01, 0.135, 1.1, 1)),
    *((0, -0.02, 0.155, 0.5, NIGHT), (-0.05, -0.09, 0.058, 1, SHINE)),
)
DOG_EYE = (
    *((0, -0.08, 0.162, 1.12, NIGHT), (0, -0.08, 0.126, 1, 0.75), (0, -0.05, 0.084, 1, 1.15)),
    *((0, -0.08, 0.077, 1, NIGHT), (-0.05, -0.15, 0.042, 1, SHINE)),
)
# Below the nose's height: u, v and radius of its discs.
CAT_NOSE = ((-0.055, -0.035, 0.05), (0, -0.035, 0.05), (0.055, -0.035, 0.05), (0, 0, 0.06))
DOG_NOSE = ((-0.09, 0, 0.11), (0, 0, 0.11), (0.09, 0, 0.11), (0, 0.06, 0.12))
# The right half of a mouth: lines with thickness, depth and points, v again below the nose.
CAT_MOUTH = (
    (0.018, 0.3, ((0, 0.05), (0, 0.15))),
    (0.018, 0.3, ((0, 0.15), (0.1, 0.21), (0.22, 0.17))),
)
DOG_MOUTH = (
    (0.02, 0.4, ((0, 0.16), (0, 0.36))),
    (0.022, 0.36, ((0, 0.36), (0.16, 0.46), (0.32, 0.4))),
)


def paint_face(picture: Image.Image, head: Head, rng: Random) -> None:
    """Paint the face on the picture (RGB); a tongue that hangs out is added to the mask."""
    paint = ImageDraw.Draw(picture)
    iris, asleep = rng.choice(head.breed.eyes), rng.random() < 0.06
    panting = not head.feline and not asleep and rng.random() < 0.4
    if panting:
        _tongue(paint, head)
    for side in SIDES:
        if asleep:
            _closed_eye(paint, head, side * 0.36)
        else:
            _eye(paint, head, side, iris)
    if head.feline:
        leather = ROSY if sum(head.coat.snout) > 330 else LEATHER
        dab(paint, leather, *_below(head, CAT_NOSE, 0.3))
        _mouth(paint, head)
        _whiskers(paint, head)
    else:
        _mouth(paint, head)
        dab(paint, NIGHT, *_below(head, DOG_NOSE, 0.44))
        dab(paint, GLOSS, head.at(-0.06, head.nose - 0.06, 0.035, 0.44), wide=1.8)


def _closed_eye(paint: Paint, head: Head, u: float) -> None:
    lid = ((u - 0.16, -0.02), (u - 0.06, 0.04), (u + 0.06, 0.04), (u + 0.16, -0.02))
    dab(paint, NIGHT, *head.line(0.022, 0.16, *lid))


def _eye(paint: Paint, head: Head, side: int, iris: Colour) -> None:
    middle, rings = (0.37, CAT_EYE) if head.feline else (0.33, DOG_EYE)
    for u, v, r, wide, colour in rings:
        tone = colour if isinstance(colour, tuple) else scaled(iris, colour)
        dab(paint, tone, head.at(side * middle + u, v, r, 0.16), wide=wide)


def _below(head: Head, spots: tuple[Triple, ...], depth: float) -> list[Disc]:
    """The spots on the canvas, their v counted from the height of the nose."""
    return head.path(*((u, head.nose + v, r) for u, v, r in spots), depth=depth)


def _mouth(paint: Paint, head: Head) -> None:
    fur = head.coat.snout
    lip = scaled(fur, 0.4) if sum(fur) > 240 else (20, 16, 18)
    for side in SIDES:
        for r, depth, points in CAT_MOUTH if head.feline else DOG_MOUTH:
            line = head.line(r, depth, *((side * u, head.nose + v) for u, v in points))
            dab(paint, lip, *line)


def _tongue(paint: Paint, head: Head) -> None:
    top = head.nose + 0.54
    tip = [head.at(0, top - 0.02 + 0.05 * k, 0.13 - 0.008 * k, 0.38) for k in range(6)]
    dab(paint, TONGUE, *tip)
    dab(head.layers.on_mask, 255, *tip)
    dab(paint, scaled(TONGUE, 0.75), *head.line(0.015, 0.38, (0, top), (0, top + 0.22)))


def _whiskers(paint: Paint, head: Head) -> None:
    for side in SIDES:
        for k in range(4):
            root = head.at(side * 0.24, 0.38 + 0.05 * k, 0, 0.28)
            middle = head.at(side * 0.7, 0.3 + 0.1 * k, 0, 0.2)
            tip = head.at(side * 1.15, 0.25 + 0.17 * k, 0, 0.1)
            paint.line([(round(spot.x), round(spot.y)) for spot in (root, middle, tip)], WHISKER)
