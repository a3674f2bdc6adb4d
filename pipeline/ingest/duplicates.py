"""Near-duplicate images, by their perceptual hashes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

AT_A_TIME = 1 << 18  # comparisons: few enough to stay in the processor's cache


def nearest_within(
    hashes: Sequence[int] | np.ndarray, others: Sequence[int] | np.ndarray, distance: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The nearest of `others` for each hash that has one within `distance` differing bits.

    The hashes have 64 bits. Returns two (N,) arrays: the position in `others` (the first of
    equally near ones) and the number of differing bits; -1 in both where none is near enough.
    Every hash is compared with every other: 5,000 million comparisons take about eight seconds.
    """
    hashes, others = np.asarray(hashes, np.uint64), np.asarray(others, np.uint64)
    positions, bits = np.full((2, len(hashes)), -1)
    rows = max(1, AT_A_TIME // max(1, len(others)))
    for start in range(0, len(hashes) if len(others) else 0, rows):
        differing = np.bitwise_count(hashes[start : start + rows, None] ^ others)
        nearest = differing.argmin(axis=1)
        fewest = differing[np.arange(len(nearest)), nearest]
        near = fewest <= distance
        positions[start : start + rows][near] = nearest[near]
        bits[start : start + rows][near] = fewest[near]
    return positions, bits
