"""Check one pair of image and mask: usable as it is, usable when converted, or unusable."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.data.classes import IGNORE
from pipeline.data.description import Description
from pipeline.data.images import ImageError, is_turned, open_image, to_rgb, turn_upright
from pipeline.ingest.vocabulary import Note, Reason

SHOWN = 6  # values of a mask
JPEG_LONGEST_SIDE = 65_500  # pixels that the format can hold

_FORMATS = {"PNG": Note.PNG, "GIF": Note.GIF}
_COLOURS = {
    **dict.fromkeys(("1", "L", "LA"), Note.GRAYSCALE),
    **dict.fromkeys(("P", "PA"), Note.PALETTE),
    "CMYK": Note.CMYK,
}


@dataclass(eq=False)
class UnusableError(Exception):
    """A file of a pair cannot be used, and why."""

    reason: Reason
    file: Path
    found: str = ""  # the values of a mask that has others than it should


@dataclass(frozen=True)
class Pair:
    """A usable pair: `image` is what `jpeg` decodes to, in RGB and in the mask's orientation."""

    jpeg: bytes  # the original bytes if there are no notes
    image: Image.Image
    mask: NDArray[np.uint8]  # (H, W) class ids
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class MaskValues:
    """What the values of a data set's masks mean."""

    known: NDArray[np.uint32]  # sorted: numbers, or colours as 0xRRGGBB
    ids: NDArray[np.uint8]  # of each: a class, or IGNORE
    in_colours: bool
    unknown: int | None  # the id of all other values; None: they are refused

    def read(self, mask: Image.Image, file: Path) -> NDArray[np.uint8]:
        """The mask as (H, W) class ids. Raises UnusableError."""
        if mask.format == "JPEG":
            raise UnusableError(Reason.MASK_JPEG, file)
        if mask.mode in ("RGBA", "LA", "PA"):
            raise UnusableError(Reason.MASK_ALPHA, file)
        values = np.asarray(mask.convert("RGB") if self.in_colours else mask)
        if self.in_colours:
            values = packed(values)
        if values.ndim != 2:
            raise UnusableError(Reason.MASK_CHANNELS, file)
        ids, strange = self._look_up(values)
        if strange.any():
            if self.unknown is None:
                raise UnusableError(Reason.MASK_VALUES, file, self._in_words(values))
            ids[strange] = self.unknown
        if (ids == IGNORE).all():  # nothing to train on or to score
            raise UnusableError(Reason.MASK_IGNORED, file)
        return ids

    def _look_up(self, values: NDArray) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Of each value: its id, and whether it is unknown."""
        if values.dtype == np.uint8:  # a table makes extract a fifth quicker than a search
            ids, strange = self._look_up(np.arange(256))
            return ids[values], strange[values]
        place = np.searchsorted(self.known, values).clip(max=len(self.known) - 1)
        return self.ids[place], self.known[place] != values

    def _in_words(self, values: NDArray) -> str:
        first, *more = np.array_split(np.unique(values), [SHOWN])
        shown = ", ".join(str(as_value(number, self.in_colours)) for number in first.tolist())
        return shown + (", ..." if more[0].size else "")


def mask_values(description: Description) -> MaskValues:
    """The values that a description of a data set names."""
    ids: dict[int, int] = {}
    for place, entry in enumerate(description.classes):
        ids |= dict.fromkeys(map(as_number, entry.values), place)
    ids |= dict.fromkeys(map(as_number, description.masks.ignore), IGNORE)
    known = sorted(ids)
    found = np.array([ids[number] for number in known], np.uint8)
    unknown = IGNORE if description.masks.unknown == "ignore" else None
    return MaskValues(np.array(known, np.uint32), found, description.in_colours, unknown)


def as_number(value: int | str) -> int:
    """A value of a mask as a number: 0xff8000 for "#ff8000"."""
    return int(value.removeprefix("#"), 16) if isinstance(value, str) else value


def as_value(number: int, in_colours: bool) -> int | str:
    """The value of a mask that `as_number` made a number of."""
    return f"#{number:06x}" if in_colours else int(number)


def packed(colours: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """(H, W, 3) RGB to (H, W): 0xff8000 for an orange pixel."""
    return colours.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)


def check_pair(image_file: Path, mask_file: Path, meaning: MaskValues) -> Pair:
    """Open, decode and check an image and its mask.

    An image that is not an RGB JPEG is converted (quality 95, no chroma subsampling, no EXIF).
    If it has an EXIF orientation, the mask's size decides: as stored if that fits, else turned
    upright. It is then written without the tag, so that every reader sees it alike.
    Raises UnusableError.
    """
    opened = _open(mask_file)
    mask = meaning.read(opened, mask_file)
    image = _open(image_file)
    if max(image.size) > JPEG_LONGEST_SIDE:
        raise UnusableError(Reason.TOO_LARGE, image_file)
    notes = (*_conversions(image), *_match_size(image, opened.size, image_file))
    if not notes:
        return Pair(image_file.read_bytes(), image, mask, notes)
    stream = io.BytesIO()
    # A copy through the pixels leaves metadata such as EXIF and colour profiles behind.
    pixels = np.asarray(to_rgb(image))
    Image.fromarray(pixels).save(stream, format="JPEG", quality=95, subsampling=0)
    return Pair(stream.getvalue(), Image.open(stream), mask, notes)


def _open(file: Path) -> Image.Image:
    try:
        return open_image(file)
    except ImageError as error:
        raise UnusableError(Reason(error.problem), file) from None


def _conversions(image: Image.Image) -> list[Note]:
    notes = [] if image.format == "JPEG" else [_FORMATS.get(str(image.format), Note.OTHER_FORMAT)]
    if image.mode.startswith("I"):
        notes.append(Note.DEEP if np.array(image).max() >= 2**12 else Note.TWELVE_BITS)
    elif image.mode in _COLOURS:
        notes.append(_COLOURS[image.mode])
    if image.has_transparency_data:
        notes.append(Note.ALPHA)
    if getattr(image, "is_animated", False) and image.format != "MPO":  # of views of one picture
        notes.append(Note.PAGES)
    return notes


def _match_size(image: Image.Image, size: tuple[int, int], file: Path) -> tuple[Note, ...]:
    """Turn the image, if it must be, to the given (width, height)."""
    turned = is_turned(image)
    if image.size == size:
        return (Note.NOT_ROTATED,) if turned else ()
    turn_upright(image)
    if image.size != size:
        raise UnusableError(Reason.SIZES, file)
    return (Note.ROTATED,)
