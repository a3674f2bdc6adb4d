"""What annotation tools and we exchange: pictures, and masks that consist of labels.

A tool knows labels by name and colour, and leaves pixels unlabelled. Nobody draws a background, so
where the classes have one, the unlabelled pixels are it.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data.classes import IGNORE, Classes
from pipeline.data.colours import RGB, UNNAMED, distinct_colours, rgb
from pipeline.data.images import save_mask

BACKGROUND = "background"  # what CVAT calls unlabelled pixels
# The label of ignored pixels: no class can have this name, and it comes last in the alphabet. Old
# versions of CVAT take unlabelled pixels for the label that comes first.
IGNORED = "~ignored"
BLACK = "#000000"  # what CVAT shows unlabelled pixels in

Mask = NDArray[np.uint8]  # (H, W) class ids, and IGNORE


@dataclass(frozen=True, eq=False)
class Proposal:
    """A picture that goes out, and the mask to correct."""

    name: str  # of the pair
    image: bytes  # a JPEG
    mask: Mask


@dataclass(frozen=True, eq=False)
class Drawn:
    """A mask that comes back. Without mask and fault, nobody has annotated the picture."""

    name: str
    mask: Mask | None = None
    fault: str = ""  # why there is no mask
    image: Path | None = None  # the picture, if it came along


def unlabelled_id(classes: Classes) -> int | None:
    """What pixels without a label count as: a class, IGNORE, or None if each needs a label.

    It is the class called background, else the only class of that role.
    """
    if BACKGROUND in classes.names:
        return classes.names.index(BACKGROUND)
    backgrounds = classes.with_role("background")
    return backgrounds[0] if len(backgrounds) == 1 else classes.ignore


def label_ids(classes: Classes) -> dict[str, int]:
    """The id of each label that a mask may have, in the order of the classes."""
    ids = {name: place for place, name in enumerate(classes.names)}
    return ids if classes.ignore is None else ids | {IGNORED: IGNORE}


def label_colours(classes: Classes) -> dict[str, RGB]:
    """A colour for each label that is drawn: the class's own, unless it is taken or black."""
    colours = {entry.name: entry.colour.lower() for entry in classes.entries} | {IGNORED: UNNAMED}
    unlabelled = unlabelled_id(classes)
    drawn = [label for label, place in label_ids(classes).items() if place != unlabelled]
    own: list[str | None] = []
    for label in drawn:
        own.append(None if colours[label] in (BLACK, *own) else colours[label])
    return dict(zip(drawn, map(rgb, distinct_colours(own)), strict=True))


def mask_png(mask: Mask, classes: Classes) -> bytes:
    """The file in labels/ that holds the mask."""
    stream = io.BytesIO()
    save_mask(stream, mask, classes.palette)
    return stream.getvalue()
