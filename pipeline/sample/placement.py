"""Where in the frame the animal stands, how large, and which way it looks."""

from dataclasses import dataclass
from random import Random

from pipeline.sample.brush import Disc, Size
from pipeline.sample.figure import Figure


@dataclass(frozen=True)
class Placement:
    """From the units of the figure to pixels of the canvas."""

    x: float  # of the figure's origin
    y: float  # of the ground under its feet
    scale: float
    facing: int  # 1 to the right, -1 to the left

    def put(self, disc: Disc) -> Disc:
        """The disc on the canvas."""
        x, y, r = disc
        return Disc(self.x + self.facing * self.scale * x, self.y + self.scale * y, self.scale * r)


def place(rng: Random, figure: Figure, canvas: Size) -> Placement:
    """Fit the animal into the frame: whole, or so near that the frame cuts parts of it off."""
    width, height = canvas
    left, top, right, low = figure.extent()
    zoom = rng.choice((rng.uniform(0.82, 1.0), rng.uniform(0.95, 1.15), rng.uniform(1.15, 1.5)))
    scale, facing = zoom * min(width / (right - left), height / (low - top)), rng.choice((-1, 1))
    if figure.cut is not None:
        scale = rng.uniform(0.9, 1.15) * height / (figure.cut - top)
    # What is cut off should not be the head: the nearer we are, the more it is in the middle.
    focus = max(0.0, min(1.0, (zoom - 0.95) * 2))
    x = (left + right) / 2 * (1 - focus) + figure.head.x * focus
    y = (top + low) / 2 * (1 - focus) + (figure.head.y + figure.head.r * 0.6) * focus
    loose_x = max(0.0, width - scale * (right - left)) / 2 + 0.06 * width
    loose_y = max(0.0, height - scale * (low - top)) / 2 + 0.02 * height
    across = width / 2 - facing * scale * x + rng.uniform(-1, 1) * loose_x
    down = height / 2 - scale * y + rng.uniform(-0.3, 1) * loose_y
    if figure.cut is not None:
        down = height - scale * figure.cut
    return Placement(across, down, scale, facing)
