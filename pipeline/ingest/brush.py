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

SIZES = np.array([3, 4, 8, 16])  # bits of a count, of which each block chooses the fewest
LONGEST = 1 << 16  # count of a block
CHANNELS = 4
HEADER = 32 + 5 + 4 * len(SIZES)  # bits
BYTES = 7  # a value of 8 bits, less one
DRAWN = 128  # from this opacity on: outlines fade out
ENDS = "its run lengths end too early"

Region = NDArray[np.bool_]  # (H, W): what is drawn


def encode_region(region: Region) -> bytes:
    """The run lengths of what is drawn, opaque white on nothing."""
    flat = region.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=~flat[:1]))
    counts = np.diff(starts, append=flat.size) * CHANNELS
    blocks = -(-counts // LONGEST)
    values = np.repeat(flat[starts] * 255, blocks)
    lengths = np.full(blocks.sum(), LONGEST)
    lengths[blocks.cumsum() - 1] = counts - (blocks - 1) * LONGEST
    choice = np.searchsorted(1 << SIZES, lengths)
    sizes = SIZES[choice]
    codes = ((0b100 | choice) << sizes + 8) | (lengths - 1 << 8) | values
    bits = np.unpackbits(codes.astype(">u4").view(np.uint8).reshape(-1, 4), axis=1)
    body = bits[np.arange(32) >= 32 - (3 + sizes + 8)[:, None]]
    header = flat.size * CHANNELS << 5 | BYTES
    for size in SIZES.tolist():
        header = header << 4 | size - 1
    start = np.frombuffer((header << -HEADER % 8).to_bytes(-(-HEADER // 8)), np.uint8)
    return np.packbits(np.concatenate([np.unpackbits(start)[:HEADER], body])).tobytes()


def decode_region(data: bytes, height: int, width: int) -> Region:
    """What is drawn on a picture of this size. Raises ValueError for other or damaged data."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    values = np.empty(height * width * CHANNELS, np.uint8)
    at = done = 0

    def number(count: int) -> int:
        nonlocal at
        at += count
        if at > bits.size:
            raise ValueError(ENDS)
        around = int.from_bytes(data[at - count >> 3 : at + 7 >> 3])
        return around >> -at % 8 & (1 << count) - 1

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
            at += 8 * count
            if at > bits.size:
                raise ValueError(ENDS)
            values[done : done + count] = np.packbits(bits[at - 8 * count : at])
        done += count
    return values.reshape(height, width, CHANNELS)[..., -1] >= DRAWN
