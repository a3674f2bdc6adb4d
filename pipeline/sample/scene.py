"""Where the animal is: a room, a garden, or a blanket seen from above, with things in it."""

from collections.abc import Callable
from functools import partial
from random import Random

from PIL import Image, ImageDraw, ImageOps

from pipeline.sample.brush import Colour, Size, blurred, dab, jittered, lit, mix, noise, scaled
from pipeline.sample.looks import Coat
from pipeline.sample.things import HOME, colours, furnish

# Floors, walls, fabrics and gardens: each fills a whole picture around one colour.
Surface = Callable[[Random, Size, Colour], Image.Image]
Surfaces = tuple[tuple[Surface, tuple[Colour, ...]], ...]  # each with the colours that it can have
SKIES = colours("#96b8d6 #bac6ce #78a0cc")
GARDEN = colours("#607c3e #788a46 #96905c #546c42 #b09e74")
AUTUMN = colours("#b06c34 #96643c #c48c42 #70763c #82786e") + GARDEN


def _grained(
    rng: Random, size: Size, colour: Colour, *, fine: Size, coarse: Size, contrast: float
) -> Image.Image:
    """Noise in two sizes: plaster, carpet, short fur, sand, gravel, asphalt or turf."""
    grey = Image.blend(noise(rng, size, fine), noise(rng, size, coarse), 0.375)  # eighths are exact
    return ImageOps.colorize(grey, scaled(colour, 1 - contrast), scaled(colour, 1 + contrast))


plaster = partial(_grained, fine=(128, 128), coarse=(2, 2), contrast=0.2)
carpet = partial(_grained, fine=(2, 4), coarse=(32, 32), contrast=0.4)
pebbles = partial(_grained, fine=(4, 4), coarse=(64, 64), contrast=0.45)
grain = partial(_grained, fine=(64, 2), coarse=(64, 64), contrast=0.22)


def _laid(
    rng: Random, size: Size, colour: Colour, *, base: Surface, wide: int, high: int
) -> Image.Image:
    """Rows of bricks, planks, tiles or strips of wallpaper, each a little lighter or darker."""
    light = Image.new("L", size)
    zoom, paint = rng.uniform(0.7, 1.4), ImageDraw.Draw(light)
    wide, high = int(wide * zoom), int(high * zoom)
    for y in range(-rng.randrange(high), size[1], high):
        for x in range(-rng.randrange(wide), size[0], wide):
            paint.rectangle((x, y, x + wide, y + high), rng.randrange(100, 148), 70)
    return lit(base(rng, size, colour), light)


wallpaper = partial(_laid, base=plaster, wide=45, high=2000)
bricks = partial(_laid, base=plaster, wide=54, high=27)
planks = partial(_laid, base=grain, wide=240, high=42)
tiles = partial(_laid, base=plaster, wide=62, high=62)


def _strewn(
    rng: Random, size: Size, colour: Colour, *, area: int, radii: tuple[int, int], wide: float
) -> Image.Image:
    """Blades of grass, leaves, dots or blots of light, one to each `area` of the ground."""
    ground = carpet(rng, size, scaled(colour, 0.7))
    paint = ImageDraw.Draw(ground)
    for _ in range(size[0] * size[1] // area):
        spot = (rng.randrange(size[0]), rng.randrange(size[1]), rng.randint(*radii))
        dab(paint, jittered(rng, colour, 50), spot, wide=wide)
    return ground


grass = partial(_strewn, area=250, radii=(4, 9), wide=0.25)
leaves = partial(_strewn, area=450, radii=(4, 11), wide=1.5)
blots = partial(_strewn, area=2500, radii=(8, 40), wide=1.0)


def folds(rng: Random, size: Size, colour: Colour) -> Image.Image:
    """A blanket or bed sheet in folds."""
    waves = noise(rng, size, rng.choice(((128, 64), (64, 128), (128, 128))))
    creased = waves.point([92 + abs(value % 128 - 64) for value in range(256)])
    return lit(carpet(rng, size, colour), blurred(creased, 3))


def sky(rng: Random, size: Size, colour: Colour) -> Image.Image:
    clouds = Image.blend(noise(rng, size, (128, 64)), noise(rng, size, (32, 16)), 0.25)
    return ImageOps.colorize(clouds, scaled(colour, 0.85), mix(colour, (246, 246, 244), 0.8))


WALLS = tuple((wall, HOME) for wall in (plaster, wallpaper, bricks, planks, folds))
FLOORS = tuple((floor, HOME) for floor in (carpet, planks, tiles, folds, carpet))
VIEWS = (
    (sky, SKIES),
    (blots, GARDEN),
    (leaves, AUTUMN),
    (blots, GARDEN),
    (bricks, HOME),
    (planks, HOME),
)
GROUNDS = ((grass, GARDEN), (grass, GARDEN), (leaves, AUTUMN), (pebbles, AUTUMN))


def draw_scene(rng: Random, size: Size, coat: Coat, feet: int) -> tuple[bool, Image.Image]:
    """Whether it is outdoors, and the scene (RGB), often in the colours of the coat.

    Its floor begins above `feet`, the y of the animal's feet.
    """
    width, height = size
    kind = rng.choice(("room", "room", "room", "garden", "garden", "above"))
    horizon, outdoors = 0, kind == "garden"
    if kind != "above":
        horizon = max(0, min(int(height * rng.uniform(0.3, 0.75)), feet - height // 12))
    picture = _covered(rng, size, GROUNDS if outdoors else FLOORS, coat)
    if horizon:
        wall = _covered(rng, (width, horizon), VIEWS if outdoors else WALLS, coat)
        picture.paste(wall, (0, 0))
    if horizon and not outdoors:
        paint, skirting = ImageDraw.Draw(picture), (0, horizon - 8, width, horizon)
        paint.rectangle(skirting, jittered(rng, rng.choice(HOME), 16), (60, 54, 50))
    furnish(rng, picture, horizon, coat, outdoors)
    # As in a portrait taken with a wide aperture: soft, and paler than what is in focus.
    haze = Image.new("RGB", size, jittered(rng, (150, 146, 140), 40))
    picture = Image.blend(picture, haze, 0.25)
    return outdoors, blurred(picture, rng.choice((5, 6, 8, 10)))


def _covered(rng: Random, size: Size, surfaces: Surfaces, coat: Coat) -> Image.Image:
    """A picture of one of these surfaces, in one of its colours or near one of the coat's."""
    surface, tones = rng.choice(surfaces)
    colour = rng.choice(tones)
    if rng.random() < 0.15 and surface is not sky:
        colour = mix(colour, rng.choice(list(coat.values())), 0.75)
    return surface(rng, size, jittered(rng, colour, 16))
