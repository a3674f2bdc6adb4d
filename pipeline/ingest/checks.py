"""Look at one pair, photograph and trimap: usable as it is, usable when converted, or unusable."""

import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.ingest.findings import Note, Reason

TRIMAP_VALUES = (1, 2, 3)  # pet, background, border
JPEG_LONGEST_SIDE = 65_500  # pixels that the format can hold
MAX_BYTES = 2**28  # of a file, as the largest picture that is accepted has without compression
# A progressive JPEG has about ten scans. Each is 30 bytes at least, and a pass over the picture: a
# file of 1 MB could keep a core busy for an hour.
MAX_SCANS = 100

# No other decoder of Pillow's is offered a file that is not trusted (that of EPS runs Ghostscript).
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")
PNG_END = b"IEND\xaeB`\x82"  # with its checksum
START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"  # in a JPEG
# In a JPEG's compressed data an FF is followed by 00, or by a restart's number.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_ORIENTATION = 0x0112  # the EXIF tag

_FORMATS = {"PNG": Note.PNG, "GIF": Note.GIF}
_MODES = {
    "1": Note.GRAYSCALE,
    "L": Note.GRAYSCALE,
    "LA": Note.GRAYSCALE,
    "I;16": Note.DEEP,
    "I;16B": Note.DEEP,
    "P": Note.PALETTE,
    "PA": Note.PALETTE,
    "CMYK": Note.CMYK,
    "RGBA": Note.ALPHA,
}


class UnusableError(Exception):
    """A file that cannot be used, and why."""

    def __init__(self, reason: Reason, file: Path):
        super().__init__(reason, file)
        self.reason = reason
        self.file = file


@dataclass(frozen=True)
class Pair:
    """A usable pair: `picture` is what `jpeg` decodes to, in RGB and in the mask's orientation."""

    jpeg: bytes  # the original bytes when there are no notes
    picture: Image.Image
    mask: np.ndarray  # (H, W) uint8 class ids: trimap value - 1
    notes: tuple[Note, ...]


def check_pair(image_file: Path, mask_file: Path) -> Pair:
    """Open, decode and check a photograph and its trimap.

    A photograph that is not an RGB JPEG is converted (quality 95, no chroma subsampling, no EXIF).
    Of one with an EXIF orientation, the orientation whose size is the mask's is used: as stored if
    that fits, else as rotated; it is written without the tag, so that every reader sees it alike.
    Raises UnusableError.
    """
    trimap = _decode(mask_file)
    mask = _class_ids(trimap, mask_file)
    original = _decode(image_file)
    upright, turned = _match_size(original, trimap.size, image_file)
    picture, colours = _to_rgb(upright, image_file)
    notes = (*_format_notes(original), *colours, *turned)
    if not notes:
        return Pair(image_file.read_bytes(), picture, mask, notes)
    jpeg = _encode(picture)
    return Pair(jpeg, Image.open(io.BytesIO(jpeg)), mask, notes)


def _decode(file: Path) -> Image.Image:
    """The decoded picture; only the first of an animation."""
    if file.stat().st_size > MAX_BYTES:
        raise UnusableError(Reason.TOO_LARGE, file)
    data = file.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # The checksums of a PNG, which load() skips.
            Image.open(io.BytesIO(data), formats=FORMATS).verify()
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            if not _ends(image, data):
                raise UnusableError(Reason.TRUNCATED, file)
            if too_many_scans(image, data):
                raise UnusableError(Reason.TOO_LARGE, file)
            image.load()
    except UnusableError:
        raise
    except UnidentifiedImageError:
        raise UnusableError(Reason.NOT_A_PICTURE, file) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise UnusableError(Reason.TOO_LARGE, file) from None
    except Exception:  # the decoders raise errors of many kinds
        raise UnusableError(Reason.DAMAGED, file) from None
    if max(image.size) > JPEG_LONGEST_SIDE:
        raise UnusableError(Reason.TOO_LARGE, file)
    return image


def too_many_scans(image: Image.Image, data: bytes) -> bool:
    """Whether the file is a JPEG that takes its decoder forever."""
    return image.format in ("JPEG", "MPO") and count_scans(data) > MAX_SCANS


def count_scans(jpeg: bytes) -> int:
    """Of the first picture: what a thumbnail has, or a film behind the picture, does not count."""
    scans, at = 0, len(b"\xff\xd8")  # behind the start of image
    while (marker := _MARKER.search(jpeg, at)) and marker[0] != END_OF_IMAGE:
        scans += marker[0] == START_OF_SCAN
        # Its length and what that covers are no compressed data, and may hold anything.
        at = marker.end() + max(2, int.from_bytes(jpeg[marker.end() : marker.end() + 2]))
    return scans


def _ends(image: Image.Image, data: bytes) -> bool:
    """Whether the end is there, without which Pillow may decode a JPEG or PNG all the same.

    Of a JPEG with its tail zeroed only the end marker may tell: it follows the last start of scan.
    A thumbnail has its own, but that stands before the scan.
    """
    if image.format == "PNG":
        return PNG_END in data
    return image.format != "JPEG" or data.rfind(END_OF_IMAGE) > data.rfind(START_OF_SCAN)


def _class_ids(trimap: Image.Image, file: Path) -> np.ndarray:
    values = np.asarray(trimap)
    if values.ndim != 2:
        raise UnusableError(Reason.MASK_CHANNELS, file)
    if not np.isin(values, TRIMAP_VALUES).all():
        raise UnusableError(Reason.MASK_VALUES, file)
    return (values - 1).astype(np.uint8)


def _match_size(
    image: Image.Image, size: tuple[int, int], file: Path
) -> tuple[Image.Image, tuple[Note, ...]]:
    """The picture in the orientation that has the given (width, height)."""
    rotates = _orientation(image) in range(2, 9)
    if image.size == size:
        return image, (Note.NOT_ROTATED,) if rotates else ()
    turned = ImageOps.exif_transpose(image) if rotates else image
    if turned.size != size:
        raise UnusableError(Reason.SIZES, file)
    return turned, (Note.ROTATED,)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (as stored) to 8; 1 also where the EXIF data are damaged."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # the EXIF parser raises errors of many kinds; the pixels are fine
        return 1


def _format_notes(image: Image.Image) -> tuple[Note, ...]:
    return () if image.format == "JPEG" else (_FORMATS.get(str(image.format), Note.OTHER_FORMAT),)


def _to_rgb(image: Image.Image, file: Path) -> tuple[Image.Image, tuple[Note, ...]]:
    if image.mode == "RGB":
        return image, ()
    if image.mode not in _MODES:
        raise UnusableError(Reason.COLOURS, file)
    note = _MODES[image.mode]
    if note is Note.DEEP:  # Pillow would clip at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB"), (note,)


def _encode(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    # A copy through the pixels: metadata such as EXIF and colour profiles stay behind.
    Image.fromarray(np.asarray(picture)).save(stream, format="JPEG", quality=95, subsampling=0)
    return stream.getvalue()
