"""Pairs broken in every way that we could think of, and what may be said of each."""

import io
import random
import zlib
from collections.abc import Callable, Set
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline.ingest.findings import Reason

WIDTH, HEIGHT = 96, 72
DAMAGES = frozenset({Reason.NOT_A_PICTURE, Reason.TRUNCATED, Reason.DAMAGED})
# A flipped bit may be in a number of the header, too.
FLIPPED = DAMAGES | {Reason.SIZES, Reason.TOO_LARGE, Reason.COLOURS}

Files = tuple[bytes | None, bytes | None]  # photograph and mask; None: there is a folder instead
Random = random.Random


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def photograph(seed: int) -> Image.Image:
    """Shades with noise, so that JPEG has something to keep in all of its blocks."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    shades = np.stack([x * 2, y * 3, 200 - x - y], axis=2)
    noise = np.random.default_rng(seed).integers(0, 40, shades.shape)
    return Image.fromarray((shades + noise).astype(np.uint8))


def trimap(width: int = WIDTH) -> np.ndarray:
    values = np.full((HEIGHT, width), 2, np.uint8)
    values[20:60, 20:70], values[24:56, 24:66] = 3, 1
    return values


def png(values: np.ndarray) -> bytes:
    return encoded(Image.fromarray(values), "PNG")


def cut(content: bytes, rng: Random) -> bytes:
    return content[: rng.randrange(1, len(content) - 2)]


def flip(content: bytes, rng: Random) -> bytes:
    changed = bytearray(content)
    for place in rng.sample(range(len(changed)), rng.randint(1, 3)):
        changed[place] ^= 1 << rng.randrange(8)
    return bytes(changed)


def zero_tail(content: bytes, rng: Random) -> bytes:
    kept = rng.randrange(1, len(content) - 8)
    return content[:kept].ljust(len(content), b"\0")


def claim(content: bytes, *sides: int) -> bytes:
    """The same JPEG or PNG with other sides in its header."""
    if content.startswith(b"\x89PNG"):
        header = content[12:16] + b"".join(side.to_bytes(4) for side in sides) + content[24:29]
        return content[:12] + header + zlib.crc32(header).to_bytes(4) + content[33:]
    start = content.index(b"\xff\xc0") + 5
    return content[:start] + b"".join(side.to_bytes(2) for side in sides) + content[start + 4 :]


def many_scans(rng: Random) -> bytes:
    content = encoded(photograph(rng.randrange(1000)), "JPEG", progressive=True)
    last = content[content.rfind(b"\xff\xda") : -2]
    return content[:-2] + last * 2000 + b"\xff\xd9"


@dataclass(frozen=True)
class Kind:
    """One way to break a pair.

    `reasons`: what may be said of it. `detected`: always; else it may be used too, if it decodes.
    `exact`: a mask that is used all the same says what the original says.
    """

    name: str
    make: Callable[[bytes, bytes, Random], Files]
    reasons: Set[Reason] = frozenset()
    detected: bool = True
    exact: bool = True


def image(kind: str, mode: str = "RGB") -> Callable[[bytes, bytes, Random], Files]:
    """A photograph in another file format, or of other colours."""
    return lambda i, m, r: (encoded(photograph(r.randrange(1000)).convert(mode), kind), m)


def wrong_value(rng: Random) -> bytes:
    values = trimap()
    values[rng.randrange(HEIGHT), rng.randrange(WIDTH)] = rng.choice([0, 4, 128, 255])
    return png(values)


MOST, LARGE = 2**31 - 1, {Reason.TOO_LARGE}
BLANK = np.full((HEIGHT, WIDTH), 2, np.uint8)
COLOURS = encoded(Image.new("RGB", (WIDTH, HEIGHT)), "PNG")
WIDE = encoded(photograph(0).resize((WIDTH + 1, HEIGHT)), "JPEG")
HTML, EPS = b"<html>404</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 96 72\n"

# i, m, r: the bytes of photograph and mask, and random numbers.
KINDS = [
    Kind("untouched", lambda i, m, r: (i, m), detected=False),
    Kind("photograph cut short", lambda i, m, r: (cut(i, r), m), DAMAGES),
    Kind("photograph, 1-3 bits flipped", lambda i, m, r: (flip(i, r), m), FLIPPED, False),
    Kind("photograph, tail zeroed", lambda i, m, r: (zero_tail(i, r), m), DAMAGES),
    Kind("photograph empty", lambda i, m, r: (b"", m), {Reason.NOT_A_PICTURE}),
    Kind("photograph is a web page", lambda i, m, r: (HTML, m), {Reason.NOT_A_PICTURE}),
    Kind("photograph is PostScript", lambda i, m, r: (EPS, m), {Reason.NOT_A_PICTURE}),
    Kind("photograph is a folder", lambda i, m, r: (None, m), {Reason.NO_IMAGE}),
    Kind("photograph is a PNG", image("PNG"), detected=False),
    Kind("photograph is a GIF", image("GIF"), detected=False),
    Kind("photograph is a BMP", image("BMP"), detected=False),
    Kind("photograph in grey", image("JPEG", "L"), detected=False),
    Kind("photograph in CMYK", image("JPEG", "CMYK"), detected=False),
    Kind("photograph of floats", image("TIFF", "F"), {Reason.COLOURS}),
    Kind("photograph of another size", lambda i, m, r: (WIDE, m), {Reason.SIZES}),
    Kind("photograph claims 65,500 x 65,500", lambda i, m, r: (claim(i, *[65_500] * 2), m), LARGE),
    Kind("photograph of 2,000 scans", lambda i, m, r: (many_scans(r), m), LARGE),
    Kind("mask cut short", lambda i, m, r: (i, cut(m, r)), DAMAGES),
    Kind("mask, 1-3 bits flipped", lambda i, m, r: (i, flip(m, r)), FLIPPED, False),
    Kind("mask, tail zeroed", lambda i, m, r: (i, zero_tail(m, r)), DAMAGES),
    Kind("mask empty", lambda i, m, r: (i, b""), {Reason.NOT_A_PICTURE}),
    Kind("mask is a folder", lambda i, m, r: (i, None), {Reason.NO_MASK}),
    Kind("mask with a wrong value", lambda i, m, r: (i, wrong_value(r)), {Reason.MASK_VALUES}),
    Kind("mask in colours", lambda i, m, r: (i, COLOURS), {Reason.MASK_CHANNELS}),
    Kind("mask of another size", lambda i, m, r: (i, png(trimap(WIDTH + 1))), {Reason.SIZES}),
    Kind(
        "mask claims 2^31 x 2^31 pixels",
        lambda i, m, r: (i, claim(m, MOST, MOST)),
        {Reason.TOO_LARGE},
    ),
    Kind("mask without a pet", lambda i, m, r: (i, png(BLANK)), detected=False, exact=False),
]


def mutated(number: int) -> tuple[Kind, Files]:
    """The pair of this number; the same at every call."""
    kind = KINDS[number % len(KINDS)]
    return kind, kind.make(original(number), png(trimap()), Random(number))


def original(number: int) -> bytes:
    """The photograph before it was broken."""
    return encoded(photograph(number), "JPEG", quality=(60, 90, 95)[number % 7 % 3])
