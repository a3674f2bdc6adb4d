"""Images from strangers, decoded in a process of limited memory and time."""

import asyncio
import io
import resource
import time
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pebble import ProcessExpired, ProcessPool

from pipeline.data.images import (
    MAX_SIDE,
    ImageError,
    Problem,
    decode_image,
    image_format,
    reduce_image,
)
from pipeline.ingest.parallel import process_pool

Array = NDArray[np.uint8]

MAX_SECONDS = 20  # of processor time; the slowest of 120 megapixels take 5
MAX_WAIT = 60.0  # seconds, however busy the machine is
IMAGES = 1000  # then another process takes over: decoders keep some of their memory


class Decoded(NamedTuple):
    """An image out of a file."""

    image: Array  # (H, W, 3) RGB, reduced to the longest side that was asked for
    size: tuple[int, int]  # the height and width that it had
    format: str  # of FORMATS


async def decode_apart(content: bytes, longest_side: int = MAX_SIDE) -> Decoded:
    """`decode_image` of the bytes in another process, one at a time.

    Cancelling ends that process. Raises ImageError, also for what takes too much memory or time.
    """
    if not _pool().active:  # its process was killed while it had nothing to do
        _pool.cache_clear()
    future = _pool().schedule(_decode, args=[content, longest_side], timeout=MAX_WAIT)
    try:
        return await asyncio.wrap_future(future)
    except (ProcessExpired, TimeoutError):
        text = "the photograph: takes more time or memory than any photograph"
        raise ImageError(text, Problem.TOO_LARGE) from None


def _decode(content: bytes, longest_side: int) -> Decoded:
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    end = int(time.process_time()) + MAX_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (end, most))
    try:
        image = decode_image(io.BytesIO(content))
        kind = image_format(io.BytesIO(content))
        return Decoded(reduce_image(image, longest_side), image.shape[:2], kind)
    finally:  # not while the result is sent: that would leave the pool's lock taken
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))


@cache
def _pool() -> ProcessPool:
    return process_pool(1, IMAGES)


def stop_decoding() -> None:
    """End the process, if one was started, and give its locks back to the system."""
    if _pool.cache_info().currsize:
        _pool().stop()
        _pool().join()
        _pool.cache_clear()
