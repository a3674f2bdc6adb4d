"""What a HEIF file, such as a telephone's .heic, makes its decoder do: read off its boxes.

libheif looks neither at how often an image is used inside another, nor at items that share bytes:
a file of 13 kB can cost minutes of processor time, and one of 3 MB half a gigabyte of memory.
"""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import NamedTuple

MAX_META = 2**22  # bytes of the box that describes all items; a telephone's has some thousands


class Work(NamedTuple):
    """What decoding a file takes."""

    pixels: int  # of the costliest image in it, with its tiles and whatever else belongs to it
    read: int  # bytes of all items together: more than the file has if some share theirs


def decoding_work(data: bytes) -> Work:
    """What the boxes of a HEIF or AVIF file ask for.

    Raises EOFError for a file that is cut short, ValueError for boxes that make no sense.
    """
    works = [_work(body[4:], len(data)) for body in _metas(memoryview(data))]
    return Work(*map(max, zip(*works, strict=True)))


def _metas(data: memoryview) -> list[memoryview]:
    """The boxes that describe the items: libheif takes the last."""
    found = []
    try:
        for kind, body in _boxes(data):
            if kind == b"meta":
                found.append(body)
    except EOFError:
        if not found:  # else a telephone's own data follow
            raise
    if not found or max(map(len, found)) > MAX_META:
        raise ValueError("it describes no images, or too many")
    return found


def _work(meta: memoryview, whole: int) -> Work:
    sizes: dict[int, int] = {}  # of each item, in pixels
    parts: dict[int, list[int]] = defaultdict(list)  # what is decoded with it: tiles, transparency
    read = 0
    for kind, body in _boxes(meta):
        if kind == b"iloc":
            read += _located(BytesIO(body), whole)
        elif kind == b"iprp":
            sizes |= _sizes(body)
        elif kind == b"iref":
            for item, others in _references(body):
                parts[item] += others

    @cache
    def pixels(item: int) -> int:  # a RecursionError for an image inside itself
        return sizes.get(item, 0) + sum(map(pixels, parts.get(item, ())))

    return Work(max(map(pixels, [*sizes, *parts]), default=0), read)


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The kind of each box, and what is in it."""
    at = 0
    while at < len(data):
        head = BytesIO(data[at : at + 16])
        size, kind = _number(head, 4), head.read(4)
        if size == 1:
            size = _number(head, 8)
        end = at + size if size else len(data)
        if not at + head.tell() <= end <= len(data):
            raise EOFError
        yield kind, data[at + head.tell() : end]
        at = end


def _located(box: BytesIO, whole: int) -> int:
    """The bytes of all items together, as far as they exceed the file only once."""
    version, _, sizes = _number(box, 1), _number(box, 3), _number(box, 2)
    offset, length, base, index = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
    wide, newer, read = 4 if version == 2 else 2, version > 0, 0
    for _ in range(_number(box, wide)):
        _number(box, wide + 2 * newer + 2)  # its number, and where its bytes are kept
        start = _number(box, base)
        for _ in range(_number(box, 2)):
            _number(box, index * newer)
            at = start + _number(box, offset)
            size = _number(box, length)
            if at + size > whole:
                raise EOFError
            read += size or whole  # without a length: all of it
            if read > whole:
                return read
    return read


def _sizes(properties: memoryview) -> dict[int, int]:
    """The pixels of each item, as declared: libheif refuses an image that is larger."""
    known: list[int] = []
    found: dict[int, int] = defaultdict(int)
    for kind, body in _boxes(properties):
        if kind == b"ipco":
            known += [_area(BytesIO(each)) if name == b"ispe" else 0 for name, each in _boxes(body)]
    for kind, body in _boxes(properties):
        if kind == b"ipma":
            for item, place in _associations(BytesIO(body)):
                found[item] = max(found[item], known[place - 1] if place else 0)
    return found


def _area(box: BytesIO) -> int:
    _number(box, 4)
    return _number(box, 4) * _number(box, 4)


def _associations(box: BytesIO) -> Iterator[tuple[int, int]]:
    """Items, and the places of their properties, counted from 1."""
    version, flags = _number(box, 1), _number(box, 3)
    wide = 2 if flags & 1 else 1
    for _ in range(_number(box, 4)):
        item = _number(box, 4 if version else 2)
        for _ in range(_number(box, 1)):
            yield item, _number(box, wide) & (0x7FFF if wide == 2 else 0x7F)


def _references(body: memoryview) -> Iterator[tuple[int, list[int]]]:
    """Items, and those that are decoded with them, as often as they are."""
    wide = 4 if body[0] else 2
    for kind, content in _boxes(body[4:]):
        box = BytesIO(content)
        item = _number(box, wide)
        others = [_number(box, wide) for _ in range(_number(box, 2))]
        if kind == b"dimg":
            yield item, others
        elif kind == b"auxl":  # says whose transparency it is
            yield from ((other, [item]) for other in others)


def _number(box: BytesIO, size: int) -> int:
    content = box.read(size)
    if len(content) < size:
        raise EOFError
    return int.from_bytes(content)
