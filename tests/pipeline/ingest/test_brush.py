"""Label Studio's run lengths are read and written as its own software does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.ingest.brush import decode_region, encode_region

DRAWN = np.array([[0, 0, 0, 1, 1], [0, 1, 1, 0, 0], [0, 0, 0, 0, 1]], bool)
# What label_studio_sdk 2.1.2 makes of it: converter/brush.py, mask2rle(255 * DRAWN).
GOLDEN = bytes.fromhex("0000003c391bfdb009ffe3009fff0b8047fe")
HEADER = "{:032b}" + f"{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))


def packed(values, *blocks):
    """A stream for so many values, of blocks in binary."""
    bits = HEADER.format(values) + "".join(blocks).replace(" ", "")
    return bytes(int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8))


def test_the_bytes_are_label_studios():
    assert encode_region(DRAWN) == GOLDEN
    np.testing.assert_array_equal(decode_region(GOLDEN, 3, 5), DRAWN)


def test_values_that_are_not_repeated_are_read_and_faint_ones_are_not_drawn():
    faint, strong = f"{127:08b}", f"{128:08b}"
    literal = "0 00 101" + "".join(["0" * 24, strong, f"{255:08b}", f"{9:08b}"])
    repeated = f"1 00 000 {7:08b} 1 00 000 {faint}"
    np.testing.assert_array_equal(
        decode_region(packed(8, literal, repeated), 1, 2), [[True, False]]
    )


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40)), st.sampled_from([1, 60]))
def test_every_region_comes_back(region, scale):
    region = np.kron(region, np.ones((scale, scale), bool))
    np.testing.assert_array_equal(decode_region(encode_region(region), *region.shape), region)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (GOLDEN[:-2], "end too early"),
        (b"", "end too early"),
        (packed(60, "0 11 1111111111111111"), "longer than its picture"),
        (packed(60, "0 10 00111011 1"), "end too early"),
        (packed(64, "1"), "another size"),
        (packed(60).replace(b"\x39", b"\x01", 1), "not of bytes"),
    ],
)
def test_other_bytes_are_refused(data, fault):
    with pytest.raises(ValueError, match=fault):
        decode_region(data, 3, 5)
