import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest import duplicates
from pipeline.ingest.duplicates import nearest_within

HASHES = st.integers(0, 2**64 - 1)


def near(centre: int) -> st.SearchStrategy[int]:
    """Hashes a few bits from the centre, so that near ones are common."""
    return st.lists(st.integers(0, 63), max_size=8).map(
        lambda bits: centre ^ sum(1 << bit for bit in set(bits))
    )


MIXED = st.lists(st.one_of(HASHES, near(0), near(0xF0F0F0F0F0F0F0F0), near(2**64 - 1)), max_size=30)


def brute_force(hashes: list[int], others: list[int], distance: int) -> tuple[list[int], list[int]]:
    positions, bits = [], []
    for one in hashes:
        counts = [(one ^ other).bit_count() for other in others]
        found = bool(counts) and min(counts) <= distance
        positions.append(counts.index(min(counts)) if found else -1)
        bits.append(min(counts) if found else -1)
    return positions, bits


def found(hashes: list[int], others: list[int], distance: int) -> tuple[list[int], list[int]]:
    positions, bits = nearest_within(hashes, others, distance)
    return positions.tolist(), bits.tolist()


@given(hashes=MIXED, others=MIXED, distance=st.integers(0, 16), at_a_time=st.integers(1, 100))
def test_it_finds_what_comparing_every_two_finds(hashes, others, distance, at_a_time):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "AT_A_TIME", at_a_time)
        assert found(hashes, others, distance) == brute_force(hashes, others, distance)
