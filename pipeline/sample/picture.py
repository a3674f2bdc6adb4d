"""One picture of one animal, as a photograph would show it, and its trimap."""

from random import Random

from PIL import Image, ImageChops, ImageFilter

from pipeline.sample.brush import NEUTRAL, SIDES, Size, blurred, jittered, lit, noise
from pipeline.sample.figure import Figure, place
from pipeline.sample.head import Head, paint_face, paint_head, palette
from pipeline.sample.layers import Layers
from pipeline.sample.looks import Breed, Coat, ends
from pipeline.sample.scene import draw_scene
from pipeline.sample.things import draw_in_front

FINE = 2  # everything is painted this many times larger, then reduced: soft edges
PET, BACKGROUND, BORDER = 1, 2, 3  # the official trimap values
OUTSIDE, INSIDE = 4, 4  # pixels of the border band on either side of the outline


def draw_pair(breed: Breed, size: Size, rng: Random) -> tuple[Image.Image, Image.Image]:
    """A picture (RGB) of one animal of this breed and its trimap (mode L), both of this size."""
    canvas, tint = (size[0] * FINE, size[1] * FINE), rng.random()
    coat = {  # no two sisters are quite alike
        part: jittered(Random(tint), colour, 14) for part, colour in rng.choice(breed.coats).items()
    }
    figure = place(rng, breed, canvas)
    outdoors, scene = draw_scene(rng, canvas, coat, int(figure.ground))
    animal, mask = _draw_animal(rng, breed, coat, figure, canvas)
    shadow, drop = Image.new("L", canvas), int(figure.scale * 0.25)
    shadow.paste(mask, (rng.randint(-drop, drop), drop // 2))
    light = [NEUTRAL - value * 56 // 255 for value in range(256)]
    picture = lit(scene, blurred(shadow, max(2, drop // 2)).point(light))
    picture.paste(animal, mask=mask)
    if rng.random() < 0.22:  # something is in front of the animal, and out of the mask
        front = draw_in_front(rng, canvas, coat, outdoors)
        hidden = front.convert("L").point([0] + [255] * 255)
        picture.paste(front, mask=hidden)
        mask.paste(0, mask=hidden)
    return _as_photograph(rng, picture.reduce(FINE)), trimap(mask.reduce(FINE))


def _draw_animal(
    rng: Random, breed: Breed, coat: Coat, figure: Figure, canvas: Size
) -> tuple[Image.Image, Image.Image]:
    """The animal (RGB, of the canvas' size) and its mask (mode L, 255 where it is)."""
    layers = Layers(canvas, sun=rng.choice(SIDES))
    for part in figure.parts:
        tone, rings = 0.78 if part.far else 1, coat.get("tabby")
        discs = layers.tube(part.path, ends(coat, part.role), tone, part.joined, rings)
        layers.mark(rng, coat, part.role, discs)
        less, fewer = (0.6, 0.35) if part.role == "leg" else (1.0, 1.0)
        length = figure.scale * (0.08 + 0.3 * breed.hair) * less
        layers.fur(discs, length, int((130 + 600 * breed.hair) * fewer), rng)
    turn, lean = figure.facing * rng.uniform(-0.3, 1), rng.uniform(-0.2, 0.2)
    head = Head(layers, figure.head, turn, lean, breed, palette(breed, coat, rng))
    paint_head(head, coat, rng)
    picture = layers.finished(rng)
    paint_face(picture, head, rng)
    return picture, layers.mask


def _as_photograph(rng: Random, picture: Image.Image) -> Image.Image:
    """Unevenly lit, now and then a little soft, with a colour cast and the camera's noise."""
    strength = rng.choice((16, 30, 46))
    light = noise(rng, picture.size, (128, 128), NEUTRAL - strength, NEUTRAL + strength)
    photo = blurred(lit(picture, light), int(rng.random() < 0.1))
    cast = Image.new("RGB", photo.size, tuple(rng.randint(236, 255) for _ in range(3)))
    grain = rng.choice((3, 5, 9))
    channels = [noise(rng, photo.size, (1, 1), 0, 2 * grain) for _ in range(3)]
    return ImageChops.add(ImageChops.multiply(photo, cast), Image.merge("RGB", channels), 1, -grain)


def trimap(mask: Image.Image) -> Image.Image:
    """The trimap (mode L, official values) of a mask (mode L, 255 where the pet is).

    Between any pet pixel and any background pixel lie at least OUTSIDE + INSIDE pixels, in rows,
    in columns and diagonally. Beyond the frame the mask is taken to continue as at its edge: where
    the frame cuts an animal off there is no band, as in the real set.
    """
    pet = mask.filter(ImageFilter.BoxBlur(1)).point([0] * 128 + [255] * 128)
    # A box blur gives 0 where its window holds no pet and 255 where it holds nothing else.
    near = pet.filter(ImageFilter.BoxBlur(OUTSIDE)).point([0] + [255] * 255)
    deep = pet.filter(ImageFilter.BoxBlur(INSIDE)).point([0] * 255 + [255])
    classes = Image.new("L", mask.size, BACKGROUND)
    classes.paste(BORDER, mask=near)
    classes.paste(PET, mask=deep)
    return classes
