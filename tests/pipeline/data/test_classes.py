"""What travels with a data set and its models: classes, colours, and how they are read back."""

import json

import numpy as np
import pytest
from pydantic import TypeAdapter
from tiny_pets import PETS

from pipeline.core.files import write_json
from pipeline.core.terminal import UserError
from pipeline.data.classes import (
    FILE,
    IGNORE,
    Class,
    Classes,
    Reading,
    from_metadata,
    read_classes,
    to_metadata,
)
from pipeline.data.colours import UNNAMED, distinct_colours, rgb, voc_colour

STREET = Classes("street", (Class("sky", "#0000ff"), Class("road", "#00FF00")), IGNORE)


def test_the_palette_has_a_colour_for_each_value_that_a_mask_may_hold():
    assert PETS.palette == ((230, 159, 0), (0, 114, 178), (255, 255, 255))
    assert STREET.palette[:2] == ((0, 0, 255), (0, 255, 0))
    assert STREET.palette[2:] == (rgb(UNNAMED),) * 254


def test_the_subject_is_the_foreground_class_unless_there_are_several():
    both = Classes(
        "", (Class("cat", "#000001", "foreground"), Class("dog", "#000002", "foreground"))
    )
    assert [each.subject for each in (PETS, both, STREET)] == ["pet", "foreground", "foreground"]
    assert [each.foreground for each in (PETS, both, STREET)] == [[0], [0, 1], []]
    assert PETS.with_role("foreground", "rim") == [0, 2]


def test_a_reading_merges_and_leaves_out_by_id():
    assert PETS.read_as(Reading({"animal": ("border", "pet")})) == {
        "animal": [0, 2],
        "background": [1],
    }
    assert PETS.read_as(Reading(leave_out=("background",))) == {"pet": [0], "border": [2]}


@pytest.mark.parametrize("classes", [PETS, STREET])
def test_classes_survive_the_folder_of_pairs_and_a_models_metadata(tmp_path, classes):
    write_json(tmp_path / FILE, TypeAdapter(Classes).dump_python(classes))
    assert read_classes(tmp_path) == classes
    found = from_metadata(to_metadata(classes) | {"image_size": "96"})
    assert (found.dataset, found.entries, found.ignore) == (
        classes.dataset,
        classes.entries,
        classes.ignore,
    )


def test_a_folder_without_classes_is_named(tmp_path):
    with pytest.raises(UserError, match=r"dataset\.json is missing: run the stage extract"):
        read_classes(tmp_path)
    (tmp_path / FILE).write_text('{"classes": 3}')
    with pytest.raises(UserError, match=r"dataset\.json is not what extract writes"):
        read_classes(tmp_path)


def test_the_metadata_of_an_older_file_are_names_alone():
    found = from_metadata({"classes": '["pet", "background", "border"]'})
    assert found.names == ("pet", "background", "border")
    assert len(set(found.palette)) == 3
    assert (found.dataset, found.ignore, found.foreground) == ("", None, [])


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({}, "its metadata name no classes"),
        ({"classes": "pet"}, "Expecting value"),
        ({"classes": '["pet"]'}, "its metadata name no classes"),
        ({"classes": json.dumps(list(map(str, range(251))))}, "its metadata name no classes"),
        ({"classes": '["a", "b"]', "colours": '["#000000"]'}, "shorter than"),
        ({"classes": '["a", "b"]', "roles": '["hero", null]'}, "should be 'foreground'"),
        ({"classes": '["a.b", "c"]'}, "'a.b' is no name"),
    ],
)
def test_metadata_that_name_no_classes_are_refused(metadata, told):
    with pytest.raises(ValueError, match=told):
        from_metadata(metadata)


def test_colours_are_those_of_voc():
    colours = [voc_colour(number) for number in (1, 2, 3, 8, 20)]
    assert colours == [(128, 0, 0), (0, 128, 0), (128, 128, 0), (64, 0, 0), (0, 64, 128)]
    assert distinct_colours([None] * 3) == ["#800000", "#008000", "#808000"]


def test_given_colours_stay_and_the_others_keep_clear_of_them():
    given = ["#00ff00", None, "#ABCDEF", None]
    found = distinct_colours(given)
    assert found[::2] == given[::2]
    for colour in found[1::2]:
        others = [*map(rgb, (each for each in found if each != colour)), rgb(UNNAMED)]
        assert np.linalg.norm(np.subtract(others, rgb(colour)), axis=1).min() > 80


def test_250_colours_differ_and_the_first_of_them_are_those_of_fewer_classes():
    found = distinct_colours([None] * 250)
    assert len({*found, UNNAMED, "#000000", "#ffffff"}) == 253
    assert found[:20] == distinct_colours([None] * 20)
