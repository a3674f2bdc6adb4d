"""What a HEIF file asks for is read off its boxes, before its decoder sees it."""

import io
import struct

import numpy as np
import pytest
from pictures import heic

from pipeline.data.heif import MAX_META, decoding_work
from pipeline.data.images import ImageError, Problem, decode_image, open_image

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind, version, *parts):
    return box(kind, bytes([version, 0, 0, 0]), *parts)


def size(width, height):
    return full(b"ispe", 0, struct.pack(">II", width, height))


def numbers(*values):
    return struct.pack(f">{len(values)}H", *values)


def properties(sizes):
    """The size of each item, by its number."""
    entries = [numbers(item) + bytes([1, place]) for place, item in enumerate(sizes, start=1)]
    known = box(b"ipco", *(size(*each) for each in sizes.values()))
    return box(b"iprp", known, full(b"ipma", 0, struct.pack(">I", len(sizes)), *entries))


def references(*lists):
    """Each: a kind, an item, and those that it refers to."""
    parts = (box(kind, numbers(item, len(to), *to)) for kind, item, to in lists)
    return full(b"iref", 0, *parts)


def locations(*places):
    """Each: where an item's bytes begin, and how many they are."""
    entries = [
        numbers(item, 0, 1) + struct.pack(">II", *place) for item, place in enumerate(places)
    ]
    return full(b"iloc", 0, b"\x44\x00", numbers(len(places)), *entries)


def file_of(*boxes):
    return box(b"ftyp", b"heic", bytes(4)) + full(b"meta", 0, *boxes)


def refusal(content):
    with pytest.raises(ImageError) as caught:
        decode_image(io.BytesIO(content))
    return caught.value.problem, str(caught.value)


def test_an_image_is_decoded_with_its_tiles_as_often_as_they_are_used_and_its_transparency():
    sizes = properties({1: (100, 50), 2: (50, 25), 3: (40, 10)})
    used = references((b"dimg", 1, [2] * 6), (b"auxl", 3, [1]), (b"thmb", 9, [1]))
    assert decoding_work(file_of(sizes, used)).pixels == 100 * 50 + 6 * 50 * 25 + 40 * 10
    within = references((b"dimg", 1, [2, 2]), (b"dimg", 2, [3, 3, 3]))
    assert decoding_work(file_of(sizes, within)).pixels == 5000 + 2 * (1250 + 3 * 400)
    assert decoding_work(file_of()) == (0, 0)


def test_bytes_that_items_share_count_for_each():
    content = file_of(locations((0, 40), (20, 30), (50, 5)), bytes(99))
    assert decoding_work(content).read == 75
    whole = file_of(locations((0, 30), (0, 0)), bytes(99))  # a length of 0 means all of it
    assert decoding_work(whole).read == 30 + len(whole)


def test_the_last_description_counts_too_and_a_telephones_data_behind_it_do_not():
    small, large = properties({1: (8, 6)}), properties({1: (80, 60)})
    assert decoding_work(file_of(small) + full(b"meta", 0, large)).pixels == 4800
    assert decoding_work(file_of(large) + full(b"meta", 0, small)).pixels == 4800
    assert decoding_work(file_of(small) + b"no box, but data").pixels == 48
    photograph = heic(PIXELS)
    followed = decode_image(io.BytesIO(photograph + b"no box, but data"))
    assert np.array_equal(followed, decode_image(io.BytesIO(photograph)))


@pytest.mark.parametrize("tile_size", [0, 64])
def test_a_photograph_is_far_from_the_limits(tile_size):
    content = heic(PIXELS, tile_size=tile_size)
    tiles = 2 * 64 * 64 if tile_size else 0
    pixels, read = decoding_work(content)
    assert pixels == 96 * 64 + tiles
    assert len(content) / 2 < read < len(content)


MANY = references((b"dimg", 1, [2] * 961))
BOMBS = {
    "one tile a thousand times": file_of(properties({1: (2000, 2000), 2: (1024, 1024)}), MANY),
    "shared bytes": file_of(properties({1: (8, 8)}), locations(*[(0, 100)] * 9), bytes(99)),
    "any size": file_of(properties({1: (2**31, 2**31)})),
    "too long": file_of(bytes(MAX_META)),
    "inside itself": file_of(properties({1: (8, 8)}), references((b"dimg", 1, [1]))),
    "no description": box(b"ftyp", b"heic", bytes(4)),
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_what_takes_more_than_a_photograph_is_refused(content):
    assert refusal(content)[0] in (Problem.TOO_LARGE, Problem.DAMAGED)


def test_a_size_beyond_the_limit_is_named():
    content = heic(PIXELS)
    real, claimed = struct.pack(">II", 96, 64), struct.pack(">II", 12_001, 10_000)
    assert content.count(real) == 1
    problem, message = refusal(content.replace(real, claimed))
    assert (problem, message) == (
        Problem.TOO_LARGE,
        "the photograph: more than 120 megapixels: reduce it first",
    )


@pytest.mark.parametrize("tile_size", [0, 64])
def test_a_heic_cut_short_anywhere_is_named_not_filled_with_black(tile_size):
    content = heic(PIXELS, tile_size=tile_size)
    problems = {refusal(content[:end])[0] for end in range(12, len(content), 97)}
    assert problems == {Problem.TRUNCATED}
    assert refusal(content[: len(content) - 1])[1] == "the photograph: its end is missing"


def test_thumbnails_and_what_else_lies_beside_the_image_are_left_alone():
    image = open_image(io.BytesIO(heic(PIXELS, thumbnails=[32, 16])), 1, whole=True)
    assert (image.size, image.format) == ((96, 64), "HEIF")
    assert image.info["thumbnails"] == image.info["depth_images"] == []
