"""Floors, walls, fabrics and gardens: each fills a whole picture around one colour."""

from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw, ImageOps

from pipeline.sample.brush import (
    NEUTRAL,
    Colour,
    Disc,
    Size,
    blurred,
    box,
    jittered,
    level,
    lit,
    mix,
    noise,
    scaled,
)

Surface = Callable[[Random, Size, Colour], Image.Image]


def _toned(grey: Image.Image, colour: Colour, contrast: float) -> Image.Image:
    return ImageOps.colorize(grey, scaled(colour, 1 - contrast), scaled(colour, 1 + contrast))


def plaster(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """A painted wall: clouds of tone, a little grain."""
    grey = Image.blend(noise(rng, size, (128, 128)), noise(rng, size, (2, 2)), 0.25)
    return _toned(grey, colour, 0.2)


def wallpaper(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """Stripes or dots on a wall."""
    wall = plaster(rng, size, colour)
    paint, other = ImageDraw.Draw(wall), jittered(rng, colour, 40)
    gap = rng.randrange(24, 64)
    if rng.random() < 0.5:
        for x in range(rng.randrange(gap), size[0], gap):
            paint.rectangle((x, 0, x + gap // 3, size[1]), other)
        return wall
    for row, y in enumerate(range(0, size[1] + gap, gap)):
        for x in range((row % 2) * gap // 2, size[0] + gap, gap):
            paint.ellipse(box(Disc(x, y, gap / 6)), other)
    return wall


def bricks(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """A brick wall."""
    wall = Image.new("RGB", size, mix(colour, (170, 164, 154), 0.7))
    paint, high = ImageDraw.Draw(wall), rng.randrange(20, 34)
    for row, y in enumerate(range(0, size[1], high)):
        for x in range(-high * 2 + (row % 2) * high, size[0], high * 2):
            paint.rectangle((x, y, x + high * 2 - 4, y + high - 4), jittered(rng, colour, 22))
    return lit(wall, level(noise(rng, size, (2, 2)), 104, 150))


def carpet(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """A woven or shaggy carpet, or short fur."""
    grey = Image.blend(noise(rng, size, (2, 4)), noise(rng, size, (32, 32)), 0.375)
    return _toned(grey, colour, 0.4)


def planks(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """A wooden floor or fence."""
    wood = _toned(noise(rng, size, (64, 2)), colour, 0.22)
    light = Image.new("L", size, NEUTRAL)
    paint, high = ImageDraw.Draw(light), rng.randrange(26, 60)
    for y in range(-rng.randrange(high), size[1], high):
        x = -rng.randrange(200)
        while x < size[0]:
            wide = rng.randrange(140, 340)
            paint.rectangle((x, y, x + wide, y + high), rng.randrange(108, 148), 70)
            x += wide
    return lit(wood, light)


def tiles(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """Square tiles in one or two tones."""
    floor = plaster(rng, size, colour)
    light = Image.new("L", size, NEUTRAL)
    paint, side = ImageDraw.Draw(light), rng.randrange(40, 90)
    checked = rng.random() < 0.4
    for row, y in enumerate(range(-rng.randrange(side), size[1], side)):
        for column, x in enumerate(range(-rng.randrange(side), size[0], side)):
            tone = (100 if (row + column) % 2 else 140) if checked else rng.randrange(116, 140)
            paint.rectangle((x, y, x + side, y + side), tone, 84)
    return lit(floor, light)


def folds(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """A blanket or bed sheet in folds, plain or chequered."""
    cloth = carpet(rng, size, colour)
    if rng.random() < 0.4:
        paint, gap = ImageDraw.Draw(cloth), rng.randrange(30, 70)
        for x in range(rng.randrange(gap), size[0], gap):
            paint.rectangle((x, 0, x + gap // 4, size[1]), jittered(rng, colour, 50))
        for y in range(rng.randrange(gap), size[1], gap):
            paint.rectangle((0, y, size[0], y + gap // 5), jittered(rng, colour, 50))
    waves = noise(rng, size, rng.choice(((128, 64), (64, 128), (128, 128))))
    creased = waves.point([92 + abs(value % 128 - 64) for value in range(256)])
    return lit(cloth, blurred(creased, 3))


def grass(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """A lawn, dry or green."""
    lawn = _toned(
        Image.blend(noise(rng, size, (2, 8)), noise(rng, size, (64, 32)), 0.5), colour, 0.5
    )
    paint = ImageDraw.Draw(lawn)
    for _ in range(size[0] * size[1] // 250):
        x, y = rng.randrange(size[0]), rng.randrange(size[1])
        tip = (x + rng.randint(-6, 6), y - rng.randint(6, 18))
        paint.line(((x, y), tip), jittered(rng, colour, 50))
    return lawn


def leaves(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """Fallen leaves, or a hedge."""
    ground = carpet(rng, size, scaled(colour, 0.5))
    paint = ImageDraw.Draw(ground)
    for _ in range(size[0] * size[1] // 450):
        leaf = Disc(rng.randrange(size[0]), rng.randrange(size[1]), rng.randint(4, 11))
        tone = jittered(rng, colour, 44)
        paint.ellipse(box(Disc(leaf.x + 1, leaf.y + 3, leaf.r), wide=1.5), scaled(tone, 0.45))
        paint.ellipse(box(leaf, wide=1.5), tone)
    return ground


def pebbles(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """Sand, gravel or asphalt."""
    grey = Image.blend(noise(rng, size, (4, 4)), noise(rng, size, (64, 64)), 0.375)
    return _toned(grey, colour, 0.45)


def sky(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """Clouds over a far, soft landscape."""
    clouds = Image.blend(noise(rng, size, (128, 64)), noise(rng, size, (32, 16)), 0.25)
    return ImageOps.colorize(clouds, scaled(colour, 0.85), mix(colour, (246, 246, 244), 0.8))


def glimmer(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """A garden far out of focus."""
    garden = _toned(noise(rng, size, (64, 64)), colour, 0.5)
    paint = ImageDraw.Draw(garden)
    for _ in range(60):
        spot = Disc(rng.randrange(size[0]), rng.randrange(size[1]), rng.randint(8, 40))
        paint.ellipse(box(spot), jittered(rng, colour, 60))
    return blurred(garden, 7)


WALLS: tuple[Surface, ...] = (plaster, wallpaper, bricks, planks, folds)
FLOORS: tuple[Surface, ...] = (carpet, planks, tiles, folds, carpet)
VIEWS: tuple[Surface, ...] = (sky, glimmer, leaves, glimmer, bricks, planks)
GROUNDS: tuple[Surface, ...] = (grass, grass, leaves, pebbles)
