"""Images and masks as arrays: one decoder for untrusted files, and a fast path for our own."""

import io
import os
import re
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.core.terminal import UserError
from pipeline.data.colours import RGB

# More than today's largest consumer cameras have, less than what exhausts a machine: decoding and
# drawing take about 12 bytes a pixel. A small file can claim any size.
MAX_MEGAPIXELS = 120
MAX_OPENED_MEGAPIXELS = 89  # of a pair: about 1 GB, in each of the processes
MAX_SIDE = 65_535  # pixels, as a JPEG can hold: memory also grows with the rows
MAX_BYTES = 2**28  # of a file: 89 megapixels without compression
# A progressive JPEG has about ten scans. Each can be as short as 30 bytes, and costs a pass over
# the image: a file of 1 MB could keep a core busy for an hour.
MAX_SCANS = 100
MAX_SCANNED = 1500  # megapixels in all scans: twelve of the largest image
# Pillow joins the Exif data of all segments, each time copying what it has so far.
MAX_SEGMENTS = 1000  # of a JPEG's image; profiles and depth maps of 20 MB take 300

# No other decoder of Pillow's gets to see an untrusted file: the one for EPS runs Ghostscript,
# JPEG 2000 takes 2.8 GB for 191 bytes, and PPM reads text byte by byte.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")
PNG_END = b"IEND\xaeB`\x82"  # with its checksum
START_OF_IMAGE, START_OF_SCAN, END_OF_IMAGE = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"  # in a JPEG
# Inside a JPEG's compressed data, FF is followed by 00 or by the number of a restart.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_ORIENTATION = 0x0112  # the EXIF tag

# Pillow warns of large images (here the limit above is an error) and of damaged EXIF data.
warnings.filterwarnings("ignore", module="PIL")


class Problem(StrEnum):
    """Why an image file cannot be used, in one phrase."""

    NOT_AN_IMAGE = "not a picture"
    TRUNCATED = "truncated"
    DAMAGED = "does not decode"
    TOO_LARGE = "too large"
    COLOURS = "colours not understood"


class ImageError(UserError):
    """An image file cannot be used; `problem` sums up the message."""

    def __init__(self, message: str, problem: Problem):
        super().__init__(message)
        self.problem = problem

    def __reduce__(self) -> tuple[type[Self], tuple[str, Problem]]:
        return type(self), (str(self), self.problem)  # from the process that decoded


def decode_image(source: Path | BinaryIO) -> NDArray[np.uint8]:
    """An untrusted image as (H, W, 3) uint8 RGB, turned upright by its EXIF orientation.

    It accepts what `open_image` does, larger images (up to MAX_MEGAPIXELS), and those without their
    end; `to_rgb` says how colours are converted. A stream is read from its beginning. Raises
    ImageError, and UserError for a file that cannot be read; both name it.
    """
    with _explained(source, MAX_MEGAPIXELS):
        image = _opened(source, MAX_MEGAPIXELS, whole=False)
        turn_upright(image)
        return np.array(to_rgb(image))


def open_image(source: Path | BinaryIO) -> Image.Image:
    """An untrusted image, decoded and checked, but as stored: neither turned nor converted.

    The content decides which of the FORMATS it is. Of an animation or several pages, the first
    is taken; of a HEIF, the primary image, turned as the file itself (not its EXIF) says.
    Raises ImageError for other formats, damaged files (also a PNG or JPEG that decodes, but lacks
    its end), files above MAX_OPENED_MEGAPIXELS or another of the limits above, and floating-point
    pixels, whose range is unknown; UserError for a file that cannot be read.
    """
    with _explained(source, MAX_OPENED_MEGAPIXELS):
        return _opened(source, MAX_OPENED_MEGAPIXELS, whole=True)


def image_format(source: Path | BinaryIO) -> str:
    """Which of the FORMATS an image that has been opened before is in, by its first bytes."""
    with _identified(source) as image:
        return image.format or ""


def turn_upright(image: Image.Image) -> None:
    """Apply the EXIF orientation in place; damaged EXIF data leave the image as it is."""
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # noqa: S110 (the EXIF parser raises errors of many kinds; the pixels are fine)
        pass


def is_turned(image: Image.Image) -> bool:
    """Whether its EXIF orientation asks for a turn or a flip; not if the EXIF data are damaged."""
    try:
        return image.getexif().get(_ORIENTATION, 1) in range(2, 9)
    except Exception:  # as above
        return False


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert to RGB: transparency on white; 16-bit values keep their higher eight bits."""
    if image.mode.startswith("I"):  # 16 bits, which some files keep in 32
        eight = (np.array(image) >> 8).clip(0, 255).astype(np.uint8)  # Pillow would clip at 255
        return Image.fromarray(eight).convert("RGB")
    if image.has_transparency_data:
        seen = Image.new("RGBA", image.size, "white")
        seen.alpha_composite(image.convert("RGBA"))
        return seen.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # which would copy it


def reduce_image(image: NDArray[np.uint8], longest_side: int) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB, reduced if it is larger."""
    height, width = image.shape[:2]
    size = size_within(longest_side, height, width)
    if size == (width, height):
        return image
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def size_within(longest_side: int, height: int, width: int) -> tuple[int, int]:
    """The (width, height) of an image reduced to the longest side; smaller images keep theirs."""
    scale = min(1, longest_side / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _opened(source: Path | BinaryIO, megapixels: int, whole: bool) -> Image.Image:
    data = _read(source)
    scans, ended = follow_scans(data) if data.startswith(START_OF_IMAGE) else (0, True)
    image = _identified(io.BytesIO(data))
    pixels = image.width * image.height
    if pixels > megapixels * 1_000_000:
        raise Image.DecompressionBombError  # as Pillow does, but only from 179 megapixels on
    if max(image.size) > MAX_SIDE:
        raise ImageError(f"a side of more than {MAX_SIDE:,} pixels", Problem.TOO_LARGE)
    if scans > MAX_SCANS or scans * pixels > MAX_SCANNED * 1_000_000:
        raise ImageError("it has more scans than any photograph", Problem.TOO_LARGE)
    if image.mode == "F":
        raise ImageError("floating-point pixels, whose range is not known", Problem.COLOURS)
    image.verify()  # the checksums of a PNG, which load() skips
    if image.format == "PNG":
        ended = PNG_END in data
    if whole and not ended:
        raise ImageError("its end is missing", Problem.TRUNCATED)
    image = _identified(io.BytesIO(data))  # after verify() it must be opened again
    image.load()
    return image


def _identified(source: Path | BinaryIO) -> Image.Image:
    _register_heif()
    return Image.open(source, formats=FORMATS)


@cache
def _register_heif() -> None:
    """Let Pillow open HEIF: the primary image, upright as the file says, and nothing beside it."""
    from pillow_heif import register_heif_opener  # noqa: PLC0415 - only where images are read

    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def _read(source: Path | BinaryIO) -> bytes:
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return _read(stream)
    if source.seek(0, os.SEEK_END) > MAX_BYTES:
        raise ImageError(f"more than {MAX_BYTES >> 20} MB: reduce it first", Problem.TOO_LARGE)
    source.seek(0)
    return source.read()


def follow_scans(jpeg: bytes) -> tuple[int, bool]:
    """How many scans a JPEG's first image has, and whether its end is there: Pillow does not check.

    Neither a thumbnail in front of the image nor a film behind it (a telephone's) counts.
    Raises ImageError for more than MAX_SEGMENTS.
    """
    scans, segments, at = 0, 0, len(START_OF_IMAGE)
    while (marker := _MARKER.search(jpeg, at)) and marker[0] != END_OF_IMAGE:
        segments += 1
        if segments > MAX_SEGMENTS:
            raise ImageError("it has more segments than any photograph", Problem.TOO_LARGE)
        scans += marker[0] == START_OF_SCAN
        # A segment states its length; it is not compressed data and may hold any bytes.
        at = marker.end() + max(2, int.from_bytes(jpeg[marker.end() : marker.end() + 2]))
    return scans, marker is not None


@contextmanager
def _explained(source: Path | BinaryIO, megapixels: int) -> Iterator[None]:
    """Turn whatever a decoder raises into an ImageError that names the file."""
    known = source if isinstance(source, Path) else getattr(source, "name", None)
    name = str(known or "the photograph")
    try:
        yield
    except ImageError as error:
        problem, text = error.problem, str(error)
    except UnidentifiedImageError:  # its own message holds a memory address
        problem = Problem.NOT_AN_IMAGE
        text = f"not a picture that can be read; accepted are {', '.join(FORMATS)}"
    except Image.DecompressionBombError:
        problem, text = Problem.TOO_LARGE, f"more than {megapixels} megapixels: reduce it first"
    except MemoryError:
        problem, text = Problem.TOO_LARGE, "too large for this machine's memory"
    except OSError as error:
        if error.errno is not None:  # the file cannot be read, whatever is in it
            raise UserError(f"{name}: {error.strerror}") from None
        problem, text = Problem.DAMAGED, f"damaged: {error}"
    except Exception as error:  # the decoders raise errors of many kinds
        problem, text = Problem.DAMAGED, f"damaged, or of an unusual kind: {error}"
    else:
        return
    raise ImageError(f"{name}: {text}", problem)


def load_image(source: Path | BinaryIO) -> NDArray[np.uint8]:
    """An image that extract wrote, as (H, W, 3) uint8 RGB."""
    with Image.open(source) as image:
        return np.array(image.convert("RGB"))


def load_mask(source: Path | BinaryIO) -> NDArray[np.uint8]:
    """A mask that extract wrote, as (H, W) uint8: class ids, and IGNORE."""
    with Image.open(source) as image:
        return np.array(image)


def save_mask(path: Path | BinaryIO, mask: NDArray[np.uint8], palette: Sequence[RGB]) -> None:
    """Write (H, W) uint8 class ids as a PNG with the palette, for people to look at."""
    # Run-length compression leaves deflate no choice: every zlib build writes the same bytes.
    with_palette(mask, palette).save(path, format="PNG", compress_type=zlib.Z_RLE)


def with_palette(mask: NDArray[np.uint8], palette: Sequence[RGB]) -> Image.Image:
    """(H, W) uint8 class ids as an image that holds these ids and shows the palette's colours."""
    image = Image.fromarray(mask)
    image.putpalette(np.array(palette, dtype=np.uint8).tobytes())
    return image
