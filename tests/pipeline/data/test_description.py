"""datasets/NAME.yaml: what is read from it, and what is said of mistakes in it."""

from pathlib import Path

import pytest
import yaml
from tiny_pets import OXFORD, REPOSITORY

from pipeline.core.params import ParamsError
from pipeline.data.description import group_of, read_description

GOOD = {
    "sources": {"archive": {"url": "https://host/street.zip"}},
    "layout": {"images": "images/{film}/{name}.*", "masks": "masks/{film}/{name}.png"},
    "masks": {"ignore": [255]},
    "classes": [
        {"name": "sky", "values": [0]},
        {"name": "road", "values": [1, 2]},
        {"name": "car", "values": [3], "role": "foreground"},
    ],
    "groups": {"place": "(.+?)_.*"},
    "readings": {"ground": {"merge": {"ground": ["road", "car"]}}},
}


@pytest.mark.parametrize("name", ["sample", "oxford"])
def test_the_pets_have_their_classes_groups_and_readings(name):
    description = read_description(REPOSITORY / f"datasets/{name}.yaml")
    classes = description.to_classes(name)
    assert classes.names == ("pet", "background", "border")
    assert [entry.role for entry in classes.entries] == ["foreground", "background", "rim"]
    assert (classes.dataset, classes.ignore, classes.groups) == (name, None, ("breed", "species"))
    assert classes.readings.keys() == {"border_merged", "border_ignored"}
    assert description.layout == OXFORD.layout
    assert set(description.archives) == {"images", "annotations"}


def test_another_data_set_with_colours_ignored_pixels_and_words_that_are_groups(tmp_path):
    classes = read(tmp_path, GOOD).to_classes("street")
    assert classes.names == ("sky", "road", "car")
    assert len({*classes.palette[:3]}) == 3
    assert (classes.ignore, classes.groups) == (255, ("film", "place"))
    assert read(tmp_path, change(GOOD, "masks", {})).to_classes("street").ignore is None
    unknown = change(GOOD, "masks", {"unknown": "ignore"})
    assert read(tmp_path, unknown).to_classes("street").ignore == 255


@pytest.mark.parametrize(
    ("name", "breed", "species"),
    [
        ("British_Shorthair_9", "British_Shorthair", "cat"),
        ("american_pit_bull_terrier_191", "american_pit_bull_terrier", "dog"),
        ("beagle", None, "dog"),
        ("9_1", "9", None),
        ("pug_1\n", None, None),
    ],
)
def test_a_name_tells_the_groups_if_one_pattern_fits(name, breed, species):
    assert group_of(name, OXFORD.groups["breed"]) == breed
    assert group_of(name, OXFORD.groups["species"]) == species
    assert group_of(name, {"one": ".*", "other": ".*"}) is None


def read(tmp_path: Path, values: object):
    file = tmp_path / "street.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    return read_description(file)


def change(values: dict, key: str, value: object) -> dict:
    """The same with one value replaced; a number in the key is a place in a list."""
    first, _, rest = key.partition(".")
    if isinstance(values, list):
        return [change(each, rest, value) if str(n) == first else each
                for n, each in enumerate(values)]  # fmt: skip
    return values | {first: change(values.get(first, {}), rest, value) if rest else value}


MANY = [{"name": f"c{n}", "values": [n]} for n in range(251)]
MISTAKES = [
    # key, value, what is said
    ("classess", [], "classess is not a known key; known: sources, layout, classes, "),
    ("classes.0.color", "#000000", "classes.0.color is not a known key"),
    ("layout.image", "x", "layout.image is not a known key"),
    ("layout", {"images": "{name}.jpg"}, "layout: masks: '' must have {name} in it"),
    ("layout.images", "{name}.jpg", "found {name} and {film}, {name}"),
    ("layout.images", "images/{film}/*.jpg", "'images/{film}/*.jpg' must have {name} in it"),
    ("layout.images", "{film}/{film}_{name}.jpg", "has {film} twice: write * instead"),
    ("layout.images", "{film}/{name}-{a b}.jpg", "braces must hold one word of a-z, 0-9 and _"),
    ("layout.masks", "images/{film}/{name}.*", "images and masks are the same pattern"),
    ("layout", {"images": "a/{split}/{name}.*", "masks": "b/{split}/{name}.*",
                "lists": {"train": "train.txt"}}, "lists and {split} both say which list"),
    ("layout.pairs", {"train": "train.txt"}, "leave out images, masks and lists"),
    ("layout.lists", {"training": "a.txt"}, "layout.lists.training: "),
    ("classes", [{"name": "sky", "values": [0]}], "2 to 250 classes are accepted, found 1"),
    ("classes", MANY, "classes: 2 to 250 classes are accepted, found 251"),
    ("classes.0.values", [1], "classes and masks.ignore: the value 1 is used twice"),
    ("classes.0.values", [], "classes.0: sky has no values"),
    ("classes.0.values", [-1], "classes.0.values.0: -1 is neither from 0 to 65535 nor a colour"),
    ("classes.0.values", ["0"], "classes.0.values.0: '0' is neither from 0 to 65535 nor a"),
    ("classes.0.values", ["#000000"], "values are all numbers, or all colours"),
    ("classes.0.name", "road", "classes: the name road is used twice"),
    ("classes.0.name", "the.sky", "classes.0.name: 'the.sky' is no name: up to 60 letters"),
    ("classes.0.colour", "blue", "classes.0.colour: 'blue' is no colour such as "),
    ("classes.0.role", "hero", "classes.0.role: Input should be 'foreground', 'rim' or"),
    ("masks.ignore", [2, 255], "classes and masks.ignore: the value 2 is used twice"),
    ("masks.unknown", "drop", "masks.unknown: Input should be 'quarantine' or 'ignore'"),
    ("groups.place", ".*", "groups.place: '.*' needs one pair of parentheses"),
    ("groups.place", "(", "groups.place: '(' is not a regular expression: "),
    ("groups.place", {"a": "["}, "groups.place.a: '[' is not a regular expression: "),
    ("groups.place", 3, "groups.place: Input should be a valid string, found 3"),
    ("groups.film", "(.)_.*", "groups and the layout's words in braces: the name film is used"),
    ("groups.split", "(.)_.*", "groups: split is a column of the tables already"),
    ("groups.shard", "(.)_.*", "groups: shard is a column of the tables already"),
    ("readings.r", {"leave_out": ["skies"]}, "readings.r: skies is no class; known: "),
    ("readings.r", {"leave_out": ["sky", "road"]}, "readings.r must leave two classes to score"),
    ("readings.r", {"merge": {"sky": ["road", "car"]}}, "readings.r: sky is a class that is not"),
    ("readings.r", {"merge": {"x": ["sky"]}, "leave_out": ["sky"]}, "readings.r: the class sky is"),
    ("readings.r", {"merge": {"x": []}}, "readings.r: x has no classes"),
    ("readings.miou", {"leave_out": ["sky"]}, "readings: miou is a score already"),
    ("sources.archive.url", "https://me:secret@host/a.tar", "sources.archive.url: user and "),
    ("sources.archive.md5", "abc", "sources.archive.md5: "),
    ("sources", {}, "sources: "),
    ("sources", {"my data": {"url": "a.tar"}}, "sources.my data: "),
    ("sources", {"builtin": "sampel"}, "sources.builtin: Input should be 'sample'"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "message"), MISTAKES)
def test_a_mistake_is_named_by_file_and_key(tmp_path, key, value, message):
    with pytest.raises(ParamsError) as error:
        read(tmp_path, change(GOOD, key, value))
    found = str(error.value)
    assert found.startswith(f"{tmp_path}/street.yaml: ")
    assert len(found.splitlines()) == 1 or "sampel" in found
    assert message in found
    assert "secret" not in found


def test_a_missing_file_names_the_data_sets_that_have_one(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    with pytest.raises(ParamsError, match=r"mine\.yaml is missing; .*: camvid, oxford, sample"):
        read_description(Path("datasets/mine.yaml"))
