"""Things behind the animal, and in front of it: what they hide is background in the trimap."""

from random import Random

from PIL import Image, ImageColor, ImageDraw

from pipeline.sample.brush import Colour, Disc, Paint, Size, dab, jittered, scaled, sweep
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
GREEN = (78, 118, 58)

# Rounded blocks, in units of the thing's size around the spot where it stands: left, top, right,
# bottom, and the radius of the corners.
BLOCKS = {
    "ball": ((-0.5, -1, 0.5, 0, 0.5),),
    "crate": ((-1, -1.2, 1, 0, 0), (-1.1, -1.3, 1.1, -1, 0), (-0.2, -1.3, 0.2, -0.7, 0)),
    "cushion": ((-1.2, -1.3, 1.2, 0, 0.5),),
    "bowl": ((-1, -0.6, 1, 0, 0.3), (-0.8, -0.6, 0.8, -0.3, 0.15)),
    "post": ((-0.12, -9, 0.12, 0, 0),),
    "edge": ((-9, -0.6, 9, 0.5, 0), (-9, -0.65, 9, -0.5, 0)),
    "sofa": (
        (-3, -3, 3, -1, 0.5),
        (-3, -1.5, 0, 0, 0.3),
        (0, -1.5, 3, 0, 0.3),
        (-3.5, -2, -2.5, 0, 0.3),
        (2.5, -2, 3.5, 0, 0.3),
    ),
    "plant": ((-0.55, -0.8, 0.55, 0, 0.15),),
    "grass": (),
}
LEAVES = {"plant": (14, 0.0, 0.7), "grass": (30, 2.0, 0.0)}  # how many, how far apart, how high
INDOORS = ("ball", "crate", "cushion", "cushion", "plant", "bowl", "post", "sofa", "sofa")
OUTDOORS = ("ball", "ball", "crate", "plant", "post")
NEAR_INDOORS, NEAR_OUTDOORS = ("ball", "edge", "post"), ("grass", "grass", "ball", "post")


def furnish(rng: Random, picture: Image.Image, horizon: int, coat: Coat, outdoors: bool) -> None:
    """Put one to three things on the floor, the far ones first and smaller."""
    paint, (width, height) = ImageDraw.Draw(picture), picture.size
    top, low = horizon + 0.02 * height, height * 0.95
    for y in sorted(rng.uniform(top, low) for _ in range(rng.randint(1, 3))):
        near = 0.4 + 0.6 * (y - horizon) / height
        foot = Disc(rng.uniform(-0.05, 1.05) * width, y, height * 0.22 * near)
        _put(paint, rng, rng.choice(OUTDOORS if outdoors else INDOORS), foot, coat)


def draw_in_front(rng: Random, size: Size, coat: Coat, outdoors: bool) -> Image.Image:
    """Something near the camera at the lower edge (RGB), on black; no thing is quite black."""
    front, (width, height) = Image.new("RGB", size), size
    foot = Disc(rng.uniform(0, 1) * width, rng.uniform(1.0, 1.08) * height, height * 0.24)
    thing = rng.choice(NEAR_OUTDOORS if outdoors else NEAR_INDOORS)
    _put(ImageDraw.Draw(front), rng, thing, foot, coat)
    return front


def _put(paint: Paint, rng: Random, thing: str, foot: Disc, coat: Coat) -> None:
    """Paint a thing that stands on its foot and is about `foot.r` large."""
    colour, (x, y, r) = rng.choice(HOME + TOYS), foot
    if rng.random() < 0.2:  # now and then the coat's own
        colour = jittered(rng, rng.choice(list(coat.values())), 24)
    r *= rng.uniform(0.7, 1.3)
    count, apart, high = LEAVES.get(thing, (0, 0.0, 0.0))
    for _ in range(count):
        root_x, root_y = x + rng.uniform(-apart, apart) * r, y - high * r
        tip_x, tip_y = root_x + rng.uniform(-1, 1) * r, root_y - rng.uniform(0.4, 1.6) * r
        bend = ((root_x + tip_x) / 2, tip_y - r * 0.1, r * 0.08)
        leaf = sweep((root_x, root_y, r * 0.05), bend, (tip_x, tip_y, 1))
        dab(paint, jittered(rng, GREEN, 40), *leaf)
    for left, top, right, low, corner in BLOCKS[thing]:
        corners = (x + left * r, y + top * r, x + right * r, y + low * r)
        _block(paint, corners, int(corner * r), colour)


def _block(paint: Paint, corners: tuple[float, ...], corner: int, colour: Colour) -> None:
    """A rounded block, darker at its rim."""
    left, top, right, low = map(int, corners)
    for step in range(8):
        inset = step * min(right - left, low - top) // 22
        area = (left + inset, top + inset, right - inset, max(top + inset, low - 2 * inset))
        paint.rounded_rectangle(area, max(0, corner - inset), scaled(colour, 0.66 + 0.06 * step))
