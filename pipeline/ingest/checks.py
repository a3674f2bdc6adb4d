"""Check one pair of image and trimap: usable as it is, usable when converted, or unusable."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.data.images import ImageError, is_turned, open_image, to_rgb, turn_upright
from pipeline.ingest.inventory import Note, Reason

TRIMAP_VALUES = (1, 2, 3)  # pet, background, border
MAX_MEGAPIXELS = 89  # about 1 GB, in each of the processes
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
    mask: NDArray[np.uint8]  # (H, W) class ids: trimap value - 1
    notes: tuple[Note, ...]


def check_pair(image_file: Path, mask_file: Path) -> Pair:
    """Open, decode and check an image and its trimap.

    An image that is not an RGB JPEG is converted (quality 95, no chroma subsampling, no EXIF).
    If it has an EXIF orientation, the mask's size decides: as stored if that fits, else turned
    upright. It is then written without the tag, so that every reader sees it alike.
    Raises UnusableError.
    """
    trimap = _open(mask_file)
    mask = _class_ids(trimap, mask_file)
    image = _open(image_file)
    if max(image.size) > JPEG_LONGEST_SIDE:
        raise UnusableError(Reason.TOO_LARGE, image_file)
    notes = (*_conversions(image), *_match_size(image, trimap.size, image_file))
    if not notes:
        return Pair(image_file.read_bytes(), image, mask, notes)
    stream = io.BytesIO()
    # A copy through the pixels leaves metadata such as EXIF and colour profiles behind.
    pixels = np.asarray(to_rgb(image))
    Image.fromarray(pixels).save(stream, format="JPEG", quality=95, subsampling=0)
    return Pair(stream.getvalue(), Image.open(stream), mask, notes)


def _open(file: Path) -> Image.Image:
    try:
        return open_image(file, MAX_MEGAPIXELS, whole=True)
    except ImageError as error:
        raise UnusableError(Reason(error.problem), file) from None


def _class_ids(trimap: Image.Image, file: Path) -> NDArray[np.uint8]:
    values = np.asarray(trimap)
    if trimap.format == "JPEG":
        raise UnusableError(Reason.MASK_JPEG, file)
    if values.ndim != 2:
        raise UnusableError(Reason.MASK_CHANNELS, file)
    if not np.isin(values, TRIMAP_VALUES).all():
        first, *more = np.array_split(np.unique(values), [SHOWN])
        found = ", ".join(map(str, first.tolist())) + (", ..." if more[0].size else "")
        raise UnusableError(Reason.MASK_VALUES, file, found)
    return (values - 1).astype(np.uint8)


def _conversions(image: Image.Image) -> list[Note]:
    notes = [] if image.format == "JPEG" else [_FORMATS.get(str(image.format), Note.OTHER_FORMAT)]
    if image.mode.startswith("I"):
        notes.append(Note.DEEP if np.array(image).max() >= 2**12 else Note.TWELVE_BITS)
    elif image.mode in _COLOURS:
        notes.append(_COLOURS[image.mode])
    return [*notes, Note.ALPHA] if image.has_transparency_data else notes


def _match_size(image: Image.Image, size: tuple[int, int], file: Path) -> tuple[Note, ...]:
    """Turn the image, if it must be, to the given (width, height)."""
    turned = is_turned(image)
    if image.size == size:
        return (Note.NOT_ROTATED,) if turned else ()
    turn_upright(image)
    if image.size != size:
        raise UnusableError(Reason.SIZES, file)
    return (Note.ROTATED,)
