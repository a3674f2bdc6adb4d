"""The sample's images as files, and its two archives in the official layout and list format."""

import io
import tarfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from pipeline.core.files import atomic_file
from pipeline.sample.brush import Size
from pipeline.sample.looks import Breed, breeds
from pipeline.sample.picture import draw_pair


def draw_files(seed: int, typical: Size, job: tuple[Breed, int]) -> tuple[str, bytes, bytes]:
    """Draw a breed's image of this number: its name, the image as JPEG, its trimap as PNG.

    Pillow brings its own libjpeg, which is exact on every processor, but compresses PNG with
    whichever zlib the machine has, and the several kinds choose different matches. With run-lengths
    only (Z_RLE, 3) there is nothing to choose: all give the same bytes.
    """
    breed, number = job
    name = f"{breed.name}_{number}"
    rng = Random(f"{seed}:{name}")
    width, height = (int(side * rng.uniform(0.85, 1.1)) for side in typical)
    kind = rng.random()  # every fourth picture is upright, some are square
    size = (height, width) if kind < 0.22 else (height if kind < 0.3 else width, height)
    picture, trimap = draw_pair(breed, size, rng)
    png = _encoded(trimap, "PNG", compress_type=3, compress_level=9)
    return name, _encoded(picture, "JPEG", quality=90), png


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def list_lines(per_breed: int) -> dict[str, list[str]]:
    """The official lines, `NAME CLASS-ID SPECIES BREED-ID`, of trainval.txt and test.txt.

    The last quarter of each breed's images, at least one, is the test part.
    """
    lines: dict[str, list[str]] = {"trainval": [], "test": []}
    seen: Counter[str] = Counter()
    for class_id, breed in enumerate(breeds(), start=1):
        seen[breed.species] += 1
        species = 1 if breed.species == "cat" else 2
        for number in range(1, per_breed + 1):
            part = "test" if number > per_breed - max(1, round(per_breed / 4)) else "trainval"
            name = f"{breed.name}_{number}"
            lines[part].append(f"{name} {class_id} {species} {seen[breed.species]}\n")
    return lines


def write_archives(folder: Path, pairs: Iterable[tuple[str, bytes, bytes]], per_breed: int) -> None:
    """Write images.tar and annotations.tar from (name, JPEG, trimap PNG), both whole or neither."""
    with (
        atomic_file(folder / "images.tar") as images_path,
        atomic_file(folder / "annotations.tar") as annotations_path,
        tarfile.open(images_path, "w", format=tarfile.USTAR_FORMAT) as images,
        tarfile.open(annotations_path, "w", format=tarfile.USTAR_FORMAT) as annotations,
    ):
        for name, picture, trimap in pairs:
            _add(images, f"images/{name}.jpg", picture)
            _add(annotations, f"annotations/trimaps/{name}.png", trimap)
        for part, lines in list_lines(per_breed).items():
            _add(annotations, f"annotations/{part}.txt", "".join(lines).encode())


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file; TarInfo's defaults are fixed: mode 0644, owner 0, time 0."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
