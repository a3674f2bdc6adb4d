"""Image files that are in memory only."""

import io
import zlib

import numpy as np
import pillow_heif
from PIL import Image


def encoded(picture: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    """The bytes of a file of this kind."""
    stream = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(stream, kind, **options)
    return stream.getvalue()


def heic(pixels: np.ndarray, orientation: int = 1, **options) -> bytes:
    """(H, W, 3 or 4) uint8 as a telephone stores it: both the file and its EXIF say the turn.

    HEIF is not registered with Pillow here: that is the decoder's task.
    """
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    options = {"exif": exif.tobytes(), "chroma": 444, "quality": 95} | options
    mode = options.pop("mode", "RGB" if pixels.shape[2] == 3 else "RGBA")
    pillow_heif.encode(mode, pixels.shape[1::-1], pixels.tobytes(), stream, **options)
    return stream.getvalue()


def claim(content: bytes, *sides: int) -> bytes:
    """The same JPEG or PNG with other sides in its header."""
    if content.startswith(b"\x89PNG"):
        header = content[12:16] + b"".join(side.to_bytes(4) for side in sides) + content[24:29]
        return content[:12] + header + zlib.crc32(header).to_bytes(4) + content[33:]
    start = content.index(b"\xff\xc0") + 5
    return content[:start] + b"".join(side.to_bytes(2) for side in sides) + content[start + 4 :]


def decoded(content: bytes) -> np.ndarray:
    """The pixels of a file's bytes, as they are stored."""
    return np.array(Image.open(io.BytesIO(content)))


def assert_same_stream_from_python(content: bytes, level: int = 6) -> None:
    """Pillow carries a zlib of its own (zlib-ng); Python's is another build."""
    stream, position = b"", 8
    while position < len(content):
        length = int.from_bytes(content[position : position + 4])
        if content[position + 4 : position + 8] == b"IDAT":
            stream += content[position + 8 : position + 8 + length]
        position += 12 + length
    python = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    assert python.compress(zlib.decompress(stream)) + python.flush() == stream
