"""Image files that are in memory only."""

import io

import numpy as np
from PIL import Image


def encoded(picture: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    """The bytes of a file of this kind."""
    stream = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(stream, kind, **options)
    return stream.getvalue()


def decoded(content: bytes) -> np.ndarray:
    """The pixels of a file's bytes, as they are stored."""
    return np.array(Image.open(io.BytesIO(content)))
