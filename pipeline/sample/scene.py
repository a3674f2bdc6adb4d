"""Where the animal is: a room, a garden, or a blanket seen from above, with things in it."""

from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw

from pipeline.sample import props, surfaces
from pipeline.sample.brush import Colour, Disc, Size, blurred, jittered, mix, scaled
from pipeline.sample.looks import Coat

# Colours of homes and gardens. Many are also colours of coats: colour alone must not tell.
HOME = (
    (222, 214, 200),
    (196, 176, 148),
    (150, 110, 76),
    (120, 84, 60),
    (98, 104, 116),
    (206, 198, 190),
    (92, 120, 140),
    (150, 70, 62),
    (122, 138, 112),
    (70, 62, 62),
    (214, 190, 160),
    (232, 228, 222),
)
GARDEN = ((96, 124, 62), (120, 138, 70), (150, 144, 92), (84, 108, 66), (176, 158, 116))
AUTUMN = ((176, 108, 52), (150, 100, 60), (196, 140, 66), (112, 118, 60), (130, 120, 110))
SKIES = ((150, 184, 214), (186, 198, 206), (120, 160, 204))


@dataclass(frozen=True)
class Scene:
    """What is behind the animal."""

    picture: Image.Image  # RGB
    outdoors: bool


def draw_scene(rng: Random, size: Size, coat: Coat, feet: int) -> Scene:
    """Draw a scene, often in the colours of the coat; its floor begins above the animal's feet."""
    kind = rng.choice(("room", "room", "room", "garden", "garden", "above"))
    horizon = (
        0
        if kind == "above"
        else max(0, min(int(size[1] * rng.uniform(0.3, 0.75)), feet - size[1] // 12))
    )
    if kind == "garden":
        far, near = rng.choice(surfaces.VIEWS), rng.choice(surfaces.GROUNDS)
    else:
        far, near = rng.choice(surfaces.WALLS), rng.choice(surfaces.FLOORS)
    picture = near(rng, size, _colour(rng, near, coat))
    if horizon:
        picture.paste(far(rng, (size[0], horizon), _colour(rng, far, coat)), (0, 0))
    if kind == "room" and horizon:
        paint = ImageDraw.Draw(picture)
        paint.rectangle((0, horizon - 8, size[0], horizon), scaled(_colour(rng, far, coat), 1.1))
        paint.line(((0, horizon + 1), (size[0], horizon + 1)), (60, 54, 50))
    _furnish(rng, picture, horizon, coat, kind == "garden")
    # As in a portrait taken with a wide aperture: soft, and paler than what is in focus.
    haze = Image.new("RGB", size, jittered(rng, (150, 146, 140), 40))
    picture = Image.blend(picture, haze, 0.25)  # a quarter is exact in binary
    return Scene(blurred(picture, rng.choice((5, 6, 8, 10))), kind == "garden")


def _furnish(rng: Random, picture: Image.Image, horizon: int, coat: Coat, outdoors: bool) -> None:
    paint, (width, height) = ImageDraw.Draw(picture), picture.size
    feet = sorted(
        rng.uniform(horizon + 0.02 * height, height * 0.95) for _ in range(rng.randint(1, 3))
    )
    for y in feet:
        near = 0.4 + 0.6 * (y - horizon) / height
        foot = Disc(rng.uniform(-0.05, 1.05) * width, y, height * 0.22 * near)
        rng.choice(props.OUTDOORS if outdoors else props.INDOORS)(
            paint, rng, foot, thing_colour(rng, coat)
        )


def thing_colour(rng: Random, coat: Coat) -> Colour:
    """The colour of a thing: now and then the coat's own."""
    if rng.random() < 0.2:
        return jittered(rng, rng.choice(coat.palette()), 24)
    return rng.choice((*HOME, (196, 62, 54), (58, 110, 170), (226, 188, 64), (90, 150, 96)))


def _colour(rng: Random, surface: surfaces.Surface, coat: Coat) -> Colour:
    if surface is surfaces.sky:
        return rng.choice(SKIES)
    if surface in (surfaces.grass, surfaces.glimmer):
        choices: tuple[Colour, ...] = GARDEN
    elif surface in (surfaces.leaves, surfaces.pebbles):
        choices = (*AUTUMN, *GARDEN)
    else:
        choices = HOME
    colour = rng.choice(choices)
    if rng.random() < 0.15:
        colour = mix(colour, rng.choice(coat.palette()), 0.75)
    return jittered(rng, colour, 16)
