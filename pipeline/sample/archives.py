"""The sample's two archives, in the official layout and column format."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from pipeline.core.files import atomic_file
from pipeline.sample.breeds import BREEDS

HEADER = """\
#Image CLASS-ID SPECIES BREED ID
#ID: 1:37 Class ids
#SPECIES: 1:Cat 2:Dog
#BREED ID: 1-12:Cat 1-25:Dog
#All images with 1st letter as capital are cat images
#images with small first letter are dog images
"""


def jpeg(picture: Image.Image) -> bytes:
    """The picture as JPEG; Pillow brings its own libjpeg, which is exact on every processor."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def png(trimap: Image.Image) -> bytes:
    """The trimap as PNG, in run-length coding.

    Pillow compresses with whichever zlib the machine has, and the several kinds choose different
    matches. With run-lengths only (Z_RLE, 3) there is nothing to choose: all give the same bytes.
    """
    stream = io.BytesIO()
    trimap.save(stream, "PNG", compress_type=3, compress_level=9)
    return stream.getvalue()


def list_lines(per_breed: int) -> dict[str, list[str]]:
    """The official lines, `NAME CLASS-ID SPECIES BREED-ID`, of trainval.txt and test.txt.

    The last quarter of each breed's images, at least one, is the test part.
    """
    lines: dict[str, list[str]] = {"trainval": [], "test": []}
    seen = {"cat": 0, "dog": 0}
    for class_id, breed in enumerate(BREEDS, start=1):
        seen[breed.species] += 1
        species = 1 if breed.species == "cat" else 2
        for number in range(1, per_breed + 1):
            part = "test" if number > per_breed - max(1, round(per_breed / 4)) else "trainval"
            lines[part].append(f"{breed.name}_{number} {class_id} {species} {seen[breed.species]}")
    return lines


def write_archives(folder: Path, pairs: Iterable[tuple[str, bytes, bytes]], per_breed: int) -> None:
    """Write images.tar and annotations.tar from (name, JPEG, trimap PNG), both whole or neither."""
    parts = list_lines(per_breed)
    together = sorted(parts["trainval"] + parts["test"], key=_by_class_and_number)
    with (
        atomic_file(folder / "images.tar") as images_path,
        atomic_file(folder / "annotations.tar") as annotations_path,
        tarfile.open(images_path, "w", format=tarfile.USTAR_FORMAT) as images,
        tarfile.open(annotations_path, "w", format=tarfile.USTAR_FORMAT) as annotations,
    ):
        _add(annotations, "annotations/list.txt", (HEADER + _text(together)).encode())
        _add(annotations, "annotations/test.txt", _text(parts["test"]).encode())
        for name, picture, trimap in pairs:
            _add(images, f"images/{name}.jpg", picture)
            _add(annotations, f"annotations/trimaps/{name}.png", trimap)
        _add(annotations, "annotations/trainval.txt", _text(parts["trainval"]).encode())


def _by_class_and_number(line: str) -> tuple[int, int]:
    name, class_id, _, _ = line.split()
    return int(class_id), int(name.rpartition("_")[2])


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file; TarInfo's defaults are fixed: mode 0644, owner 0, time 0."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
