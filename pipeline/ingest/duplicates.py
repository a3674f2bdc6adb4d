"""Find near-duplicate pictures by their perceptual hashes, without comparing every two."""

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

BITS = 64
AT_A_TIME = 1 << 14  # hashes, and pairs of them: bounds the memory when many are alike


def nearest_within(
    hashes: np.ndarray, others: np.ndarray, distance: int
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of `others` for each hash that has one within `distance` differing bits.

    `hashes` is (N,) and `others` (M,) uint64. Returns two (N,) int64 arrays: the position in
    `others` (the first of equally near ones) and the differing bits; -1 in both where none is
    near enough. Exact for 0 <= distance <= 62.

    Pigeonhole: cut 64 bits into distance + 2 bands. At most `distance` of them hold a differing
    bit, so that two near hashes agree in two bands or more. For every two bands, only pictures
    that agree in both are compared. Equal hashes are searched once.
    """
    assert 0 <= distance <= BITS - 2
    if not len(others):
        return np.full(len(hashes), -1), np.full(len(hashes), -1)
    distinct, codes = np.unique(hashes, return_inverse=True)
    distinct_others, first = np.unique(others, return_index=True)
    best = np.full(len(distinct), (BITS + 1) * len(others), dtype=np.int64)
    for bits in _joint_bands(distance + 2):
        for rows, columns in _equal_pairs(distinct & bits, distinct_others & bits):
            differing = np.bitwise_count(distinct[rows] ^ distinct_others[columns])
            # One number orders by distance, then by position.
            rank = differing.astype(np.int64) * len(others) + first[columns]
            np.minimum.at(best, rows, rank)
    differing, positions = np.divmod(best, len(others))
    near = differing <= distance
    return np.where(near, positions, -1)[codes], np.where(near, differing, -1)[codes]


def _joint_bands(bands: int) -> Iterator[np.uint64]:
    """For every two of the bands, a number whose one bits are the bits of both."""
    edges = np.linspace(0, BITS, bands + 1).astype(int)
    masks = [(1 << int(end)) - (1 << int(start)) for start, end in pairwise(edges)]
    for one, other in combinations(masks, 2):
        yield np.uint64(one | other)


def _equal_pairs(left: np.ndarray, right: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All (i, j) with left[i] == right[j], as pairs of index arrays of about AT_A_TIME each."""
    order = np.argsort(right, kind="stable")
    ordered = right[order]
    for first in range(0, len(left), AT_A_TIME):
        some = left[first : first + AT_A_TIME]
        start = np.searchsorted(ordered, some, side="left")
        counts = np.searchsorted(ordered, some, side="right") - start
        cuts = np.searchsorted(np.cumsum(counts), np.arange(AT_A_TIME, counts.sum(), AT_A_TIME))
        for block in np.split(np.arange(len(some)), cuts):
            number = counts[block]
            rows = np.repeat(block, number)
            within = np.arange(len(rows)) - np.repeat(np.cumsum(number) - number, number)
            yield first + rows, order[np.repeat(start[block], number) + within]
