"""Faces: eyes, nose, mouth, tongue and whiskers, painted on the finished, lit animal."""

from random import Random

from PIL import Image, ImageDraw

from pipeline.sample.brush import Colour, box, scaled
from pipeline.sample.head import ROSY
from pipeline.sample.headspace import Head

NIGHT, SHINE, WHISKER = (26, 22, 24), (255, 255, 255), (236, 234, 230)
TONGUE = (226, 112, 118)


def paint_face(picture: Image.Image, mask: Image.Image, head: Head, rng: Random) -> None:
    """Paint the face on the picture (RGB); a tongue that hangs out is added to the mask."""
    paint = ImageDraw.Draw(picture)
    iris, asleep = rng.choice(head.breed.eyes), rng.random() < 0.06
    panting = not head.feline and not asleep and rng.random() < 0.4
    if panting:
        _tongue(paint, ImageDraw.Draw(mask), head)
    for side in (-1, 1):
        if asleep:
            _closed_eye(paint, head, side)
        elif head.feline:
            _cat_eye(paint, head, side * 0.37, iris)
        else:
            _dog_eye(paint, head, side * 0.33, iris)
    (_cat_nose if head.feline else _dog_nose)(paint, head)
    if head.feline:
        _whiskers(paint, head)


def _closed_eye(paint: ImageDraw.ImageDraw, head: Head, side: int) -> None:
    u = side * 0.36
    lid = ((u - 0.16, -0.02), (u - 0.06, 0.04), (u + 0.06, 0.04), (u + 0.16, -0.02))
    for disc in head.line(0.022, 0.16, *lid):
        paint.ellipse(box(disc), NIGHT)


def _cat_eye(paint: ImageDraw.ImageDraw, head: Head, u: float, iris: Colour) -> None:
    paint.ellipse(box(head.at(u, -0.02, 0.215, 0.16), wide=1.12), NIGHT)
    paint.ellipse(box(head.at(u, -0.02, 0.175, 0.16), wide=1.1), scaled(iris, 0.8))
    paint.ellipse(box(head.at(u, 0.01, 0.135, 0.16), wide=1.1), iris)
    paint.ellipse(box(head.at(u, -0.02, 0.155, 0.16), wide=0.5), NIGHT)
    paint.ellipse(box(head.at(u - 0.05, -0.09, 0.058, 0.16)), SHINE)


def _dog_eye(paint: ImageDraw.ImageDraw, head: Head, u: float, iris: Colour) -> None:
    paint.ellipse(box(head.at(u, -0.08, 0.162, 0.16), wide=1.12), NIGHT)
    paint.ellipse(box(head.at(u, -0.08, 0.126, 0.16)), scaled(iris, 0.75))
    paint.ellipse(box(head.at(u, -0.05, 0.084, 0.16)), scaled(iris, 1.15))
    paint.ellipse(box(head.at(u, -0.08, 0.077, 0.16)), NIGHT)
    paint.ellipse(box(head.at(u - 0.05, -0.15, 0.042, 0.16)), SHINE)


def _cat_nose(paint: ImageDraw.ImageDraw, head: Head) -> None:
    low, fur = head.nose, head.coat.muzzle or head.coat.face
    leather = ROSY if sum(fur) > 330 else (70, 50, 52)
    for u, v, r in ((-0.055, -0.035, 0.05), (0, -0.035, 0.05), (0.055, -0.035, 0.05), (0, 0, 0.06)):
        paint.ellipse(box(head.at(u, low + v, r, 0.3)), leather)
    mouth = head.line(0.018, 0.3, (0, low + 0.05), (0, low + 0.15))
    for side in (-1, 1):
        smile = ((0, low + 0.15), (side * 0.1, low + 0.21), (side * 0.22, low + 0.17))
        mouth += head.line(0.018, 0.3, *smile)
    for disc in mouth:
        paint.ellipse(box(disc), _lip(fur))


def _dog_nose(paint: ImageDraw.ImageDraw, head: Head) -> None:
    low, fur = head.nose, head.coat.muzzle or head.coat.face
    mouth = head.line(0.02, 0.4, (0, low + 0.16), (0, low + 0.36))
    for side in (-1, 1):
        mouth += head.line(
            0.022, 0.36, (0, low + 0.36), (side * 0.16, low + 0.46), (side * 0.32, low + 0.4)
        )
    for disc in mouth:
        paint.ellipse(box(disc), _lip(fur))
    for u, v, r in ((-0.09, 0, 0.11), (0, 0, 0.11), (0.09, 0, 0.11), (0, 0.06, 0.12)):
        paint.ellipse(box(head.at(u, low + v, r, 0.44)), NIGHT)
    paint.ellipse(box(head.at(-0.06, low - 0.06, 0.035, 0.44), wide=1.8), (150, 146, 150))


def _tongue(paint: ImageDraw.ImageDraw, on_mask: ImageDraw.ImageDraw, head: Head) -> None:
    top = head.nose + 0.54
    for k in range(6):
        tip = box(head.at(0, top - 0.02 + 0.05 * k, 0.13 - 0.008 * k, 0.38))
        paint.ellipse(tip, TONGUE)
        on_mask.ellipse(tip, 255)
    for disc in head.line(0.015, 0.38, (0, top), (0, top + 0.22)):
        paint.ellipse(box(disc), scaled(TONGUE, 0.75))


def _whiskers(paint: ImageDraw.ImageDraw, head: Head) -> None:
    for side in (-1, 1):
        for k in range(4):
            root = head.at(side * 0.24, 0.38 + 0.05 * k, 0, 0.28)
            middle = head.at(side * 0.7, 0.3 + 0.1 * k, 0, 0.2)
            tip = head.at(side * 1.15, 0.25 + 0.17 * k, 0, 0.1)
            paint.line([(round(spot.x), round(spot.y)) for spot in (root, middle, tip)], WHISKER)


def _lip(fur: Colour) -> Colour:
    return scaled(fur, 0.4) if sum(fur) > 240 else (20, 16, 18)
