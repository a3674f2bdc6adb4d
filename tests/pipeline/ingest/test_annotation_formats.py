"""Files as CVAT and Label Studio document them, written by hand."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.classes import IGNORE, Class, Classes
from pipeline.ingest.cvat import read_cvat
from pipeline.ingest.label_studio import inside, read_label_studio

CLASSES = Classes(
    "flight",
    (
        Class("background", "#000000", "background"),
        Class("aeroplane", "#ff0000"),
        Class("boat", "#0000ff"),
    ),
    IGNORE,
)
# https://docs.cvat.ai/docs/dataset_management/formats/format-smask/
LABELMAP = """\
# label : color (RGB) : 'body' parts : actions
background:0,128,0::
aeroplane:10,10,128::
_dummy2:2,2,2::
boat:108,0,100::
~ignored:7,7,7::
"""
GREEN, NAVY, PURPLE, GREY = (0, 128, 0), (10, 10, 128), (108, 0, 100), (7, 7, 7)
# https://labelstud.io/guide/task_format; the run lengths are those of label_studio_sdk 2.1.2
BRUSHED = [0, 0, 0, 60, 57, 27, 253, 176, 9, 255, 227, 0, 159, 255, 11, 128, 71, 254]
EXPORT = """\
[{"id": 1, "created_at": "2021-03-09T21:52:49.513742Z", "project": 83, "predictions": [],
  "data": {"image": "/data/upload/83/0a1b2c3d-over%%20sea.jpg"},
  "annotations": [{"id": 1001, "was_cancelled": false, "ground_truth": false, "completed_by": 10,
    "result": [{"id": "Dx_aB91ISN", "from_name": "tag", "to_name": "img", "type": "brushlabels",
      "original_width": 5, "original_height": 3, "image_rotation": 0, "origin": "manual",
      "value": {"format": "rle", "rle": %s, "brushlabels": ["boat"]}}, %s]}]}]
"""
POLYGON = {
    "id": "x1",
    "type": "polygonlabels",
    "original_width": 5,
    "original_height": 3,
    "image_rotation": 0,
    "value": {"points": [[0, 0], [40, 0], [40, 33.4], [0, 33.4]], "polygonlabels": ["aeroplane"]},
}


@pytest.fixture
def archive(tmp_path):
    """The folders of an unpacked archive of CVAT."""
    (tmp_path / "labelmap.txt").write_text(LABELMAP)
    for folder in ("SegmentationClass/sea", "ImageSets/Segmentation", "JPEGImages/sea"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def test_masks_of_cvat_hold_colours_or_places_in_the_labelmap(archive):
    colours = np.array([[GREEN, NAVY], [PURPLE, GREY]], np.uint8)
    Image.fromarray(colours).save(archive / "SegmentationClass/sea/a.png")
    Image.fromarray(np.array([[0, 1], [3, 4]], np.uint8)).save(archive / "SegmentationClass/b.png")
    (archive / "JPEGImages/sea/a.jpg").write_bytes(b"")
    (archive / "ImageSets/Segmentation/default.txt").write_text("sea/a\nb\nnot labelled\n")
    a, b, empty = read_cvat(archive, CLASSES)
    for drawn in (a, b):
        np.testing.assert_array_equal(drawn.mask, [[0, 1], [2, IGNORE]])
    assert (a.name, a.image, b.image) == ("a", archive / "JPEGImages/sea/a.jpg", None)
    assert (empty.name, empty.mask, empty.fault) == ("not labelled", None, "")


def test_two_masks_of_a_name_and_dummy_labels_are_faults(archive):
    for file in ("sea/a.png", "a.png", "b.png"):
        mask = Image.fromarray(np.array([[2]], np.uint8))
        mask.save(archive / "SegmentationClass" / file)
    (archive / "SegmentationClass/c.png").write_bytes(b"no picture")
    Image.new("RGB", (1, 1), (1, 2, 3)).save(archive / "SegmentationClass/d.png")
    a, b, c, d = read_cvat(archive, CLASSES)
    assert a.fault == "2 masks have this name"
    assert b.fault == "its label '_dummy2' is no class"
    assert "not a picture" in c.fault
    assert d.fault == "it holds #010203, which labelmap.txt does not name"


def read(folder: Path, *, brushed=BRUSHED, polygon=POLYGON, classes=CLASSES):
    file = folder / "export.json"
    file.write_text(EXPORT % (json.dumps(brushed), json.dumps(polygon)))
    [drawn] = read_label_studio(file, folder, classes)
    return drawn


def test_brushes_and_polygons_of_label_studio_are_read(tmp_path):
    drawn = read(tmp_path)
    assert (drawn.name, drawn.fault) == ("over sea", "")
    np.testing.assert_array_equal(drawn.mask, [[1, 1, 0, 2, 2], [0, 2, 2, 0, 0], [0, 0, 0, 0, 2]])


def test_what_is_said_about_a_whole_picture_is_no_region(tmp_path):
    said = {"id": "c", "type": "choices", "value": {"choices": ["blurred"]}, "origin": "manual"}
    drawn = read(tmp_path, polygon=said)
    np.testing.assert_array_equal(drawn.mask, [[0, 0, 0, 2, 2], [0, 2, 2, 0, 0], [0, 0, 0, 0, 2]])


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"value": POLYGON["value"] | {"points": [[0, 0], [100, 0], [100, 30]]}}, "and another"),
        ({"original_width": 6}, "its regions are of different sizes"),
        ({"image_rotation": 90}, "the picture is turned"),
        (
            {"type": "ellipselabels", "value": {"radiusX": 2, "ellipselabels": ["boat"]}},
            "ellipselabels: regions are read from brushes and polygons",
        ),
        ({"value": {"points": [[0, 0], [9, 9]], "polygonlabels": ["boat"]}}, "fewer than three"),
        ({"value": {"points": [[0, 0], [9, 9], [9, 1e9]]}}, "its JSON is not what.*points"),
        ({"value": POLYGON["value"] | {"polygonlabels": []}}, "a region has 0 labels"),
        (
            {"value": POLYGON["value"] | {"polygonlabels": ["whale"]}},
            "'whale' is no class",
        ),
    ],
)
def test_regions_that_cannot_be_taken_are_faults(tmp_path, changes, fault):
    drawn = read(tmp_path, polygon=POLYGON | changes)
    assert drawn.mask is None
    assert re.search(fault, drawn.fault)


@pytest.mark.parametrize("edge", [[(50, 0), (50, 100)], [(20, 0), (83, 100)], [(70, 0), (31, 100)]])
@pytest.mark.parametrize("size", [(80, 100), (33, 57)])
def test_polygons_that_share_an_edge_share_no_pixel_and_leave_none_out(edge, size):
    (top, _), (bottom, _) = edge
    left = np.array([(0, 0), (top, 0), (bottom, 100), (0, 100)])
    right = np.array([(100, 0), (top, 0), (bottom, 100), (100, 100)])
    height, width = size
    parts = [inside(each * (width / 100, height / 100), height, width) for each in (left, right)]
    assert (parts[0] ^ parts[1]).all()
    assert parts[0].sum() == pytest.approx((top + bottom) / 200 * height * width, abs=height)


def test_run_lengths_that_are_cut_are_a_fault(tmp_path):
    assert read(tmp_path, brushed=BRUSHED[:-3]).fault == "its run lengths end too early"


def test_pixels_without_a_label_are_a_fault_where_they_can_be_nothing(tmp_path):
    classes = Classes("flight", CLASSES.entries[1:])
    assert read(tmp_path, classes=classes).fault == "it has pixels without a label"


def test_tasks_that_nobody_has_finished_are_passed_over(tmp_path):
    tasks = [{"annotations": []}, {"annotations": [{"result": [], "was_cancelled": True}]}]
    tasks += [{"annotations": [{"result": []}] * count} for count in (1, 2)]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    found = list(read_label_studio(tmp_path / "export.json", tmp_path, CLASSES))
    assert [drawn.name for drawn in found] == ["task 1", "task 2", "task 3", "task 4"]
    faults = ["", "", "nothing is drawn on it", "2 annotations: delete all but one in Label Studio"]
    assert [drawn.fault for drawn in found] == faults
