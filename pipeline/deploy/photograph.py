"""Photographs as people have them, files or uploads, to RGB arrays as people see them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.core.terminal import UserError
from pipeline.ingest.checks import FORMATS, too_many_scans

# Above today's largest cameras for people, and below what takes a machine's memory: decoding and
# drawing take about 12 bytes a pixel. A small file may claim any size.
MAX_MEGAPIXELS = 120

# Pillow warns of what it takes for a bomb from 89 megapixels on; here the limit above is an error.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class PhotographError(UserError):
    """A photograph that cannot be used, and why."""


def load_photograph(source: Path | BinaryIO) -> NDArray[np.uint8]:
    """The photograph as (H, W, 3) uint8 RGB, turned upright by its EXIF orientation.

    Takes the FORMATS in any colour mode that says what its numbers mean: what is transparent is
    seen on white, of 16 bits the higher eight are kept, of an animation or several pages the first.
    A stream is read from its beginning. Raises PhotographError, naming the file, for what is
    missing, no picture, damaged, or larger than MAX_MEGAPIXELS.
    """
    if not isinstance(source, Path):
        with _errors("the photograph"):
            return _read(source)
    with _errors(str(source)), source.open("rb") as stream:
        return _read(stream)


def _read(stream: BinaryIO) -> NDArray[np.uint8]:
    stream.seek(0)
    with Image.open(stream, formats=FORMATS) as image:
        _check_size(*image.size)
        image.verify()  # the checksums of a PNG, which load() skips
    stream.seek(0)
    if too_many_scans(image, stream.read()):
        raise ValueError("it has more scans than any photograph")
    stream.seek(0)
    with Image.open(stream, formats=FORMATS) as image:
        image.load()
        _turn_upright(image)
        return np.array(_to_rgb(image))


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        raise Image.DecompressionBombError  # as Pillow, whose own limit is 179 megapixels


def _turn_upright(image: Image.Image) -> None:
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # noqa: S110 (the EXIF parser raises errors of many kinds; the pixels are fine)
        pass


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits, also in the numbers of 32 that PPM is read as
        return Image.fromarray((np.array(image) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point numbers have no range that is known")
    if image.has_transparency_data:
        seen = Image.new("RGBA", image.size, "white")
        seen.alpha_composite(image.convert("RGBA"))
        return seen.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # which would copy it


@contextmanager
def _errors(name: str) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError:  # its message holds an address
        accepted = ", ".join(FORMATS)
        raise PhotographError(
            f"{name}: not a picture that can be read; accepted are {accepted}"
        ) from None
    except Image.DecompressionBombError:
        limit = f"{MAX_MEGAPIXELS} megapixels"
        raise PhotographError(f"{name}: more than {limit}: reduce it first") from None
    except MemoryError:
        raise PhotographError(f"{name}: too large for this machine's memory") from None
    except OSError as error:
        if error.errno is not None:  # of the file, not of what is in it
            raise PhotographError(f"{name}: {error.strerror}") from None
        raise PhotographError(f"{name}: damaged: {error}") from None
    except Exception as error:  # the decoders raise errors of many kinds
        raise PhotographError(f"{name}: damaged, or of an unusual kind: {error}") from None
