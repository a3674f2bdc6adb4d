"""Label Studio's tasks as JSON: what a brush has drawn, a region a label, and polygons.

https://labelstud.io/guide/predictions and https://labelstud.io/guide/task_format
"""

import html
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from pipeline.core.files import atomic_file
from pipeline.core.terminal import UserError
from pipeline.data.classes import Classes
from pipeline.data.colours import in_hex
from pipeline.data.images import MAX_BYTES, MAX_OPENED_MEGAPIXELS
from pipeline.ingest.annotation import (
    Drawn,
    Mask,
    Proposal,
    label_colours,
    label_ids,
    unlabelled_id,
)
from pipeline.ingest.brush import Region, decode_region, encode_region

TASKS, CONFIGURATION, IMAGES = "tasks.json", "labelling.xml", "images"
LOCAL = "/data/local-files/?d="  # an address below the folder whose files Label Studio serves
UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what it puts before the name of an uploaded file
BRUSH, POLYGON = "brushlabels", "polygonlabels"
# What is said about a picture as a whole.
NO_REGIONS = ("choices", "taxonomy", "textarea", "rating", "number", "datetime")
FROM, TO = "label", "image"  # names in the configuration
PAIR = "pair"  # beside the picture's address: the name of the pair
VIEW = """\
<View>
  <Image name="{to}" value="$image" zoom="true"/>
  <BrushLabels name="{name}" toName="{to}">
{labels}
  </BrushLabels>
</View>
"""
Percent = Annotated[float, Field(ge=-100, le=200)]  # corners may lie outside
NO_TASKS = "no tasks of Label Studio: export as JSON, not as JSON-MIN"


@dataclass(frozen=True)
class Value:
    """A region: what a brush has drawn, or the corners of a polygon in percent of the picture."""

    rle: tuple[int, ...] = ()
    points: tuple[tuple[Percent, Percent], ...] = ()
    brushlabels: tuple[str, ...] = ()
    polygonlabels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """One region of an annotation."""

    type: str
    value: Value
    original_width: int = 0
    original_height: int = 0
    image_rotation: float = 0


@dataclass(frozen=True)
class Annotation:
    """What one person has drawn on one picture."""

    result: tuple[Result, ...]
    was_cancelled: bool = False


def write_label_studio(file: Path, proposals: Iterable[Proposal], classes: Classes) -> None:
    """Write an archive to unpack into the folder whose files Label Studio serves.

    The masks are predictions: what nobody submits does not come back as somebody's annotation.
    """
    tasks = []
    with atomic_file(file) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for proposal in proposals:
            name = f"{IMAGES}/{proposal.name}.jpg"
            archive.writestr(name, proposal.image)
            address = LOCAL + quote(f"{file.stem}/{name}")
            result = list(_results(proposal.mask, classes))
            data = {"image": address, PAIR: proposal.name}
            tasks.append({"data": data, "predictions": [{"result": result}]})
        archive.writestr(TASKS, json.dumps(tasks), zipfile.ZIP_DEFLATED)
        archive.writestr(CONFIGURATION, labelling_configuration(classes))


def labelling_configuration(classes: Classes) -> str:
    """The XML to paste into a project's settings: a brush for each label."""
    labels = (
        f'    <Label value="{html.escape(label)}" background="{in_hex(colour)}"/>'
        for label, colour in label_colours(classes).items()
    )
    return VIEW.format(name=FROM, to=TO, labels="\n".join(labels))


def _results(mask: Mask, classes: Classes) -> Iterator[dict[str, object]]:
    height, width = mask.shape
    ids = label_ids(classes)
    for label in label_colours(classes):
        region = mask == ids[label]
        if region.any():
            rle = [*encode_region(region)]
            yield {
                "id": f"region-{ids[label]}",
                "type": BRUSH,
                "from_name": FROM,
                "to_name": TO,
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {"format": "rle", "rle": rle, BRUSH: [label]},
            }


def read_label_studio(file: Path, folder: Path, classes: Classes) -> Iterator[Drawn]:
    """The masks in a JSON file of tasks, in its order; pictures are looked for in the folder.

    Raises UserError for another file.
    """
    if file.stat().st_size > MAX_BYTES:
        raise UserError(f"{file.name}: more than {MAX_BYTES >> 20} MB: export fewer tasks at once")
    try:
        tasks = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        raise UserError(f"{file.name} is not JSON") from None
    if not isinstance(tasks, list) or not all(
        isinstance(task, dict) and "annotations" in task for task in tasks
    ):
        raise UserError(f"{file.name}: {NO_TASKS}")
    images = {image.stem: image for image in folder.rglob(f"{IMAGES}/*")}
    for number, task in enumerate(tasks, start=1):
        name = _name_of(task) or f"task {number}"
        image = images.get(name)
        try:
            drawn = TypeAdapter(list[Annotation]).validate_python(task["annotations"])
            yield Drawn(name, _mask_of(drawn, classes), "", image)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, ("annotations", *first["loc"])))
            yield Drawn(name, fault=f"its JSON is not what Label Studio writes: {where}")
        except UserError as error:
            yield Drawn(name, fault=str(error))


def _name_of(task: dict[str, Any]) -> str:
    """The pair's name: as export wrote it, else that of the picture's file; empty without one."""
    data = task.get("data")
    if not isinstance(data, dict):
        return ""
    if isinstance(data.get(PAIR), str):
        return str(data[PAIR])
    path = re.split(r"[?&]d=", str(data.get("image", "")))[-1]
    return UPLOADED.sub("", PurePosixPath(unquote(path)).stem)


def _mask_of(annotations: list[Annotation], classes: Classes) -> Mask | None:
    """The one annotation's regions as class ids; None without one. Raises UserError."""
    finished = [each for each in annotations if not each.was_cancelled]
    if not finished:
        return None
    if len(finished) > 1:
        raise UserError(f"{len(finished)} annotations: delete all but one in Label Studio")
    results = [each for each in finished[0].result if each.type not in NO_REGIONS]
    if others := {each.type for each in results} - {BRUSH, POLYGON}:
        raise UserError(f"{min(others)}: regions are read from brushes and polygons alone")
    sizes = {(each.original_height, each.original_width) for each in results}
    if len(sizes) != 1:
        raise UserError("its regions are of different sizes" if sizes else "nothing is drawn on it")
    height, width = sizes.pop()
    if height < 1 or width < 1 or height * width > MAX_OPENED_MEGAPIXELS * 1_000_000:
        raise UserError(f"{width}x{height} is not a picture's size")
    return _merged(results, np.zeros((height, width), np.uint8), classes)


def _merged(results: Sequence[Result], mask: Mask, classes: Classes) -> Mask:
    """The mask with all regions put in. Raises UserError."""
    ids, unlabelled = label_ids(classes), unlabelled_id(classes)
    drawn = np.zeros(mask.shape, bool)
    for result in results:
        label, region = _label_of(result, ids), _region_of(result)
        other = region & drawn & (mask != ids[label])
        if other.any():
            raise UserError(f"{other.sum():,} pixels are {label}, and another class, too")
        mask[region] = ids[label]
        drawn |= region
    if unlabelled is None and not drawn.all():
        raise UserError("it has pixels without a label")
    return np.where(drawn, mask, np.uint8(unlabelled or 0))


def _label_of(result: Result, ids: dict[str, int]) -> str:
    labels = (*result.value.brushlabels, *result.value.polygonlabels)
    if len(labels) != 1:
        raise UserError(f"a region has {len(labels)} labels")
    if labels[0] not in ids:
        raise UserError(f"its label {labels[0]!r} is no class")
    return labels[0]


def _region_of(result: Result) -> Region:
    """The pixels of a region. Raises UserError."""
    height, width = result.original_height, result.original_width
    if result.image_rotation:
        raise UserError("the picture is turned in Label Studio: turn it back")
    if result.type == BRUSH:
        try:
            return decode_region(bytes(result.value.rle), height, width)
        except ValueError as error:
            raise UserError(str(error)) from None
    if len(result.value.points) < 3:
        raise UserError("a polygon has fewer than three corners")
    return inside(np.array(result.value.points) * (width / 100, height / 100), height, width)


def inside(corners: NDArray[np.float64], height: int, width: int) -> Region:
    """The pixels whose middle lies in the polygon of (N, 2) corners, x and y in pixels.

    Two polygons that share an edge share no pixel. Where a polygon crosses itself, what lies in it
    twice is outside.
    """
    region, middles = np.zeros((height, width), bool), np.arange(width) + 0.5
    (x, y), (next_x, next_y) = corners.T, np.roll(corners, -1, axis=0).T
    first, last = (int(np.clip(end, 0, height)) for end in (np.floor(y.min()), np.ceil(y.max())))
    for row in range(first, last):
        at = row + 0.5
        cut = np.flatnonzero((y <= at) != (next_y <= at))
        # From the lower end, so that both polygons calculate alike.
        ends = np.stack([(x[cut], y[cut]), (next_x[cut], next_y[cut])])
        low, high = np.where(y[cut] <= next_y[cut], ends, ends[::-1])
        edges = np.sort(low[0] + (at - low[1]) * (high[0] - low[0]) / (high[1] - low[1]))
        region[row] = np.searchsorted(edges, middles, side="right") % 2
    return region
