"""The run lengths in which Label Studio keeps what a brush has drawn, as JSON's lists of bytes.

They are a stream of bits: the number of values (32 bits), the bits of a value less one (5), the
bits of four sizes of counts, each less one (4 times 4), and then blocks. A block begins with 1 if
one value follows, which is repeated, or with 0 if as many values follow as it counts; then which of
the sizes its count has (2 bits), and the count less one. The values are the bytes of an RGBA image,
row by row, of which the fourth says what is drawn. Specified by the package rle-pack of
https://github.com/thi-ng/umbrella.
"""

import numpy as np
from numpy.typing import NDArray

SIZES = (3, 4, 8, 16)  # bits of a count, of which each block chooses the fewest
LONGEST = 1 << 16  # count of a block
CHANNELS = 4
BYTES = 7  # a value of 8 bits, less one
DRAWN = 128  # from this opacity on: outlines fade out

Region = NDArray[np.bool_]  # (H, W): what is drawn


def encode_region(region: Region) -> bytes:
    """The run lengths of what is drawn, opaque white on nothing."""
    flat = region.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=~flat[:1]))
    counts = np.diff(starts, append=flat.size) * CHANNELS
    bits = [f"{flat.size * CHANNELS:032b}{BYTES:05b}", *(f"{size - 1:04b}" for size in SIZES)]
    for drawn, count in zip(flat[starts].tolist(), counts.tolist(), strict=True):
        for left in range(count, 0, -LONGEST):
            length = min(left, LONGEST)
            place, size = next((p, s) for p, s in enumerate(SIZES) if length <= 1 << s)
            bits.append(f"1{place:02b}{length - 1:0{size}b}{255 * drawn:08b}")
    return np.packbits(np.frombuffer("".join(bits).encode(), np.uint8) & 1).tobytes()


def decode_region(data: bytes, height: int, width: int) -> Region:
    """What is drawn on a picture of this size. Raises ValueError for other or damaged data."""
    bits = f"{int.from_bytes(data):0{8 * len(data)}b}"
    values = np.empty(height * width * CHANNELS, np.uint8)
    at = done = 0

    def number(count: int) -> int:
        nonlocal at
        at += count
        if at > len(bits):
            raise ValueError("its run lengths end too early")
        return int(bits[at - count : at], 2)

    if number(32) != values.size:
        raise ValueError("its run lengths are of a picture of another size")
    if number(5) != BYTES:
        raise ValueError("its run lengths are not of bytes")
    sizes = [number(4) + 1 for _ in SIZES]
    while done < values.size:
        repeated, count = number(1), number(sizes[number(2)]) + 1
        if count > values.size - done:
            raise ValueError("its run lengths are longer than its picture")
        if repeated:
            values[done : done + count] = number(8)
        else:
            values[done : done + count] = list(number(8 * count).to_bytes(count))
        done += count
    return values.reshape(height, width, CHANNELS)[..., -1] >= DRAWN
