"""CVAT's archive "Segmentation mask 1.1", which is VOC's: a picture of classes, one of instances.

https://docs.cvat.ai/docs/dataset_management/formats/format-smask/
"""

import io
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from pipeline.core.files import atomic_file
from pipeline.core.terminal import UserError
from pipeline.data.classes import Classes
from pipeline.data.colours import RGB, in_hex, voc_colour
from pipeline.data.images import open_image
from pipeline.ingest.annotation import (
    BACKGROUND,
    Drawn,
    Mask,
    Proposal,
    label_colours,
    label_ids,
    unlabelled_id,
)
from pipeline.ingest.checks import as_value, packed

LABELMAP = "labelmap.txt"
HEAD = "# label:color_rgb:parts:actions"
IMAGES, CLASSES, INSTANCES = "JPEGImages", "SegmentationClass", "SegmentationObject"
LISTS = "ImageSets/Segmentation"


def write_cvat(file: Path, proposals: Iterable[Proposal], classes: Classes) -> None:
    """Write an archive to import into a project: each label of a picture is one instance."""
    colours, ids = label_colours(classes), label_ids(classes)
    shown = np.zeros((2, 256, 3), np.uint8)  # by id: what stays black is not labelled
    for number, (label, colour) in enumerate(colours.items(), start=1):
        shown[:, ids[label]] = colour, voc_colour(number)
    names = []
    with atomic_file(file) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for proposal in proposals:
            names.append(proposal.name)
            archive.writestr(f"{IMAGES}/{proposal.name}.jpg", proposal.image)
            for folder, table in zip((CLASSES, INSTANCES), shown, strict=True):
                stream = io.BytesIO()
                Image.fromarray(table[proposal.mask]).save(stream, format="PNG")
                archive.writestr(f"{folder}/{proposal.name}.png", stream.getvalue())
        archive.writestr(f"{LISTS}/default.txt", "".join(f"{name}\n" for name in names))
        archive.writestr(LABELMAP, _labelmap(colours))


def _labelmap(colours: Mapping[str, RGB]) -> str:
    named = {BACKGROUND: (0, 0, 0), **colours}
    lines = [f"{label}:{red},{green},{blue}::" for label, (red, green, blue) in named.items()]
    return "\n".join([HEAD, *lines, ""])


def read_cvat(folder: Path, classes: Classes) -> Iterator[Drawn]:
    """The masks of an unpacked archive, by name. Raises UserError for a labelmap.txt that is none.

    CVAT gives labels colours of its own, and sorts them: names alone tell what they are.
    """
    labelmap = read_labelmap(folder / LABELMAP)
    masks, images = _by_name(folder / CLASSES), _by_name(folder / IMAGES)
    lines = [
        line
        for file in sorted((folder / LISTS).glob("*.txt"))
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    listed = {PurePosixPath(line.strip()).name for line in lines if line.strip()}
    for name in sorted(listed | masks.keys()):
        image = next(iter(images.get(name, ())), None)
        try:
            mask = _read_mask(masks[name], labelmap, classes) if name in masks else None
        except UserError as error:
            yield Drawn(name, fault=str(error))
        else:
            yield Drawn(name, mask, image=image)


def read_labelmap(file: Path) -> list[tuple[str, RGB]]:
    """The labels and their colours in the file's order. Raises UserError, naming the line."""
    labels: list[tuple[str, RGB]] = []
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            label, colour, *_ = line.split(":")
            red, green, blue = map(int, colour.split(","))
            bytes((red, green, blue))
        except ValueError:
            text = f"{file.name}, line {number}: expected label:red,green,blue::"
            raise UserError(text) from None
        if (red, green, blue) in (known for _, known in labels):
            raise UserError(f"{file.name}, line {number}: {colour} is the colour of another label")
        labels.append((label, (red, green, blue)))
    return labels


def _by_name(folder: Path) -> dict[str, list[Path]]:
    """The files in the folder and below by their names without suffix."""
    found = defaultdict(list)
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            found[file.stem].append(file)
    return found


def _read_mask(files: list[Path], labelmap: list[tuple[str, RGB]], classes: Classes) -> Mask:
    """The mask as class ids. Raises UserError."""
    if len(files) > 1:
        raise UserError(f"{len(files)} masks have this name")
    picture = open_image(files[0])
    if picture.mode == "L":  # places in the labelmap
        values = np.asarray(picture)
        labels = {str(place): label for place, (label, _) in enumerate(labelmap)}
    else:
        values = packed(np.asarray(picture.convert("RGB")))
        labels = {in_hex(colour): label for label, colour in labelmap}
    shown = np.unique(values)
    told = [str(as_value(value, picture.mode != "L")) for value in shown.tolist()]
    ids = np.array([_id_of(value, labels, classes) for value in told], np.uint8)
    return ids[np.searchsorted(shown, values)]


def _id_of(value: str, labels: Mapping[str, str], classes: Classes) -> int:
    """What a value of a mask is: a class, or IGNORE. Raises UserError."""
    if value not in labels:
        raise UserError(f"it holds {value}, which {LABELMAP} does not name")
    label, unlabelled = labels[value], unlabelled_id(classes)
    ids = label_ids(classes)
    if label in ids:
        return ids[label]
    if label != BACKGROUND:
        raise UserError(f"its label {label!r} is no class")
    if unlabelled is None:
        raise UserError("it has pixels without a label")
    return unlabelled
