"""Where the animal is: a room, a garden, or a blanket seen from above, with things in it."""

from collections.abc import Callable
from functools import partial
from random import Random

from PIL import Image, ImageDraw, ImageOps

from pipeline.sample import things
from pipeline.sample.brush import Colour, Size, blurred, dab, jittered, lit, mix, noise, scaled
from pipeline.sample.looks import Coat

# Floors, walls, fabrics and gardens: each fills a whole picture around one colour.
Surface = Callable[[Random, Size, Colour], Image.Image]
Grain = tuple[Size, Size, float, float]  # noise in two sizes, the second's share, its contrast


def _toned(grey: Image.Image, colour: Colour, contrast: float) -> Image.Image:
    return ImageOps.colorize(grey, scaled(colour, 1 - contrast), scaled(colour, 1 + contrast))


def _grained(grain: Grain, rng: Random, size: Size, colour: Colour) -> Image.Image:
    fine, coarse, share, contrast = grain
    grey = Image.blend(noise(rng, size, fine), noise(rng, size, coarse), share)
    return _toned(grey, colour, contrast)


plaster = partial(_grained, ((128, 128), (2, 2), 0.25, 0.2))
carpet = partial(_grained, ((2, 4), (32, 32), 0.375, 0.4))  # woven or shaggy, or short fur
pebbles = partial(_grained, ((4, 4), (64, 64), 0.375, 0.45))  # sand, gravel or asphalt
turf = partial(_grained, ((2, 8), (64, 32), 0.5, 0.5))


def wallpaper(rng: Random, size: Size, colour: Colour) -> Image.Image:
    wall = plaster(rng, size, colour)
    paint, other, gap = ImageDraw.Draw(wall), jittered(rng, colour, 40), rng.randrange(24, 64)
    if rng.random() < 0.5:
        for x in range(rng.randrange(gap), size[0], gap):
            paint.rectangle((x, 0, x + gap // 3, size[1]), other)
        return wall
    for row, y in enumerate(range(0, size[1] + gap, gap)):
        for x in range((row % 2) * gap // 2, size[0] + gap, gap):
            dab(paint, other, (x, y, gap / 6))
    return wall


def bricks(rng: Random, size: Size, colour: Colour) -> Image.Image:
    wall = Image.new("RGB", size, mix(colour, (170, 164, 154), 0.7))
    paint, high = ImageDraw.Draw(wall), rng.randrange(20, 34)
    for row, y in enumerate(range(0, size[1], high)):
        for x in range(-high * 2 + (row % 2) * high, size[0], high * 2):
            paint.rectangle((x, y, x + high * 2 - 4, y + high - 4), jittered(rng, colour, 22))
    return lit(wall, noise(rng, size, (2, 2), 104, 150))


def planks(rng: Random, size: Size, colour: Colour) -> Image.Image:
    wood = _toned(noise(rng, size, (64, 2)), colour, 0.22)
    light = Image.new("L", size)
    paint, high = ImageDraw.Draw(light), rng.randrange(26, 60)
    for y in range(-rng.randrange(high), size[1], high):
        x = -rng.randrange(200)
        while x < size[0]:
            wide = rng.randrange(140, 340)
            paint.rectangle((x, y, x + wide, y + high), rng.randrange(108, 148), 70)
            x += wide
    return lit(wood, light)


def tiles(rng: Random, size: Size, colour: Colour) -> Image.Image:
    floor = plaster(rng, size, colour)
    light = Image.new("L", size)
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
    lawn = turf(rng, size, colour)
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
        x, y, r = rng.randrange(size[0]), rng.randrange(size[1]), rng.randint(4, 11)
        tone = jittered(rng, colour, 44)
        dab(paint, scaled(tone, 0.45), (x + 1, y + 3, r), wide=1.5)
        dab(paint, tone, (x, y, r), wide=1.5)
    return ground


def sky(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """Clouds over a far, soft landscape."""
    clouds = Image.blend(noise(rng, size, (128, 64)), noise(rng, size, (32, 16)), 0.25)
    return ImageOps.colorize(clouds, scaled(colour, 0.85), mix(colour, (246, 246, 244), 0.8))


def glimmer(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """A garden far out of focus."""
    garden = _toned(noise(rng, size, (64, 64)), colour, 0.5)
    paint = ImageDraw.Draw(garden)
    for _ in range(60):
        spot = (rng.randrange(size[0]), rng.randrange(size[1]), rng.randint(8, 40))
        dab(paint, jittered(rng, colour, 60), spot)
    return blurred(garden, 7)


WALLS: tuple[Surface, ...] = (plaster, wallpaper, bricks, planks, folds)
FLOORS: tuple[Surface, ...] = (carpet, planks, tiles, folds, carpet)
VIEWS: tuple[Surface, ...] = (sky, glimmer, leaves, glimmer, bricks, planks)
GROUNDS: tuple[Surface, ...] = (grass, grass, leaves, pebbles)

SKIES = things.colours("#96b8d6 #bac6ce #78a0cc")
GARDEN = things.colours("#607c3e #788a46 #96905c #546c42 #b09e74")
AUTUMN = things.colours("#b06c34 #96643c #c48c42 #70763c #82786e") + GARDEN


def draw_scene(rng: Random, size: Size, coat: Coat, feet: int) -> tuple[bool, Image.Image]:
    """Whether it is outdoors, and the scene (RGB), often in the colours of the coat.

    Its floor begins above `feet`, the y of the animal's feet.
    """
    width, height = size
    kind = rng.choice(("room", "room", "room", "garden", "garden", "above"))
    horizon = 0
    if kind != "above":
        horizon = max(0, min(int(height * rng.uniform(0.3, 0.75)), feet - height // 12))
    outdoors = kind == "garden"
    walls, floors = (VIEWS, GROUNDS) if outdoors else (WALLS, FLOORS)
    far, near = rng.choice(walls), rng.choice(floors)
    picture = near(rng, size, _colour(rng, near, coat))
    if horizon:
        picture.paste(far(rng, (width, horizon), _colour(rng, far, coat)), (0, 0))
    if horizon and not outdoors:
        paint = ImageDraw.Draw(picture)
        paint.rectangle((0, horizon - 8, width, horizon), scaled(_colour(rng, far, coat), 1.1))
        paint.line(((0, horizon + 1), (width, horizon + 1)), (60, 54, 50))
    things.furnish(rng, picture, horizon, coat, outdoors)
    # As in a portrait taken with a wide aperture: soft, and paler than what is in focus.
    haze = Image.new("RGB", size, jittered(rng, (150, 146, 140), 40))
    picture = Image.blend(picture, haze, 0.25)  # a quarter is exact in binary
    return outdoors, blurred(picture, rng.choice((5, 6, 8, 10)))


def _colour(rng: Random, surface: Surface, coat: Coat) -> Colour:
    if surface is sky:
        return rng.choice(SKIES)
    green, brown = surface in (grass, glimmer), surface in (leaves, pebbles)
    colour = rng.choice(GARDEN if green else AUTUMN if brown else things.HOME)
    if rng.random() < 0.15:
        colour = mix(colour, rng.choice(coat.palette()), 0.75)
    return jittered(rng, colour, 16)
