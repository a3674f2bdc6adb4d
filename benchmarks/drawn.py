"""Any number of small pictures in the official layout: coloured patches, an ellipse for a pet."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pipeline.sample.looks import breeds

SIDE = 40  # pixels
PATCHES = 8  # random colours a side, so that no two pictures look alike
PET, BACKGROUND, BORDER = 1, 2, 3  # trimap values


def draw_archives(folder: Path, images: int) -> None:
    """Write images.tar and annotations.tar with so many pairs, every other one of the test list."""
    folder.mkdir(parents=True)
    with (
        tarfile.open(folder / "images.tar", "w") as pictures,
        tarfile.open(folder / "annotations.tar", "w") as annotations,
    ):
        lists: dict[str, list[str]] = {"trainval": [], "test": []}
        for number, name in enumerate(names(images)):
            picture, trimap = draw(np.random.default_rng(number))
            _add(pictures, f"images/{name}.jpg", _encoded(picture, "JPEG"))
            _add(annotations, f"annotations/trimaps/{name}.png", _encoded(trimap, "PNG"))
            lists["test" if number % 2 else "trainval"].append(f"{name}\n")
        for part, lines in lists.items():
            _add(annotations, f"annotations/{part}.txt", "".join(lines).encode())


def names(images: int) -> Iterator[str]:
    """So many, of all breeds in turn."""
    for number in range(images):
        turn, place = divmod(number, len(breeds()))
        yield f"{breeds()[place].name}_{turn + 1}"


def draw(random: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """A photograph and its trimap: an ellipse with a border, lighter than what is around it."""
    ground, coat = _patches(random, 0, 160), _patches(random, 96, 256)
    left, top = random.integers(2, SIDE // 3, 2).tolist()
    right, bottom = random.integers(SIDE * 2 // 3, SIDE - 2, 2).tolist()
    trimap = Image.new("L", (SIDE, SIDE), BACKGROUND)
    ImageDraw.Draw(trimap).ellipse((left, top, right, bottom), fill=PET, outline=BORDER, width=2)
    ground.paste(coat, mask=trimap.point(lambda value: 255 * (value != BACKGROUND)))
    return ground, trimap


def _patches(random: np.random.Generator, low: int, high: int) -> Image.Image:
    """Random colours from low to high - 1, blurred into one another."""
    colours = random.integers(low, high, (PATCHES, PATCHES, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def _encoded(picture: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
    # tarfile keeps what it wrote: 100,000 of them are 100 MB.
    archive.members.clear()  # type: ignore[attr-defined]
