import os
from pathlib import Path

import pytest

from pipeline.core.terminal import UserError
from pipeline.ingest.inventory import Fault, Note, Reason, take_inventory


def layout(
    root: Path, images: str, trimaps: str, trainval: str = "beagle_1", test: str = "beagle_2"
) -> Path:
    """The official layout with empty files; names are separated by spaces."""
    (root / "images").mkdir()
    (root / "annotations" / "trimaps").mkdir(parents=True)
    for name in images.split():
        (root / "images" / f"{name}.jpg").touch()
    for name in trimaps.split():
        (root / "annotations" / "trimaps" / f"{name}.png").touch()
    for split, names in (("trainval", trainval), ("test", test)):
        (root / "annotations" / f"{split}.txt").write_text("\n".join(names.split()))
    return root


def test_listed_names_with_both_files_are_pairs_with_their_split(tmp_path):
    source = layout(tmp_path, "beagle_1 beagle_2 ._beagle_1", "beagle_1 beagle_2 ._beagle_2")
    (source / "images" / "beagle_1.mat").touch()  # other files are passed over, as hidden ones
    pairs, faults, names = take_inventory(source)
    assert [(pair.name, pair.split, pair.notes) for pair in pairs] == [
        ("beagle_1", "trainval", ()),
        ("beagle_2", "test", ()),
    ]
    assert (tmp_path / pairs[0].image).is_file()
    assert (tmp_path / pairs[0].trimap).is_file()
    assert (faults, names) == ([], 2)


def test_every_name_without_a_pair_has_its_reason(tmp_path):
    no_utf8 = os.fsdecode(b"pug_\xff")
    images = f"pug_1 pug_2 pug_3 {no_utf8}"
    source = layout(tmp_path, images, "pug_1 pug_4", "pug_2 pug_4", "pug_5")
    pairs, faults, names = take_inventory(source)
    assert pairs == []
    assert names == 3
    assert faults == [
        Fault("pug_1", "images/pug_1.jpg", Reason.NOT_LISTED),
        Fault("pug_2", "images/pug_2.jpg", Reason.NO_MASK),
        Fault("pug_3", "images/pug_3.jpg", Reason.NO_MASK),
        Fault("pug_4", "annotations/trimaps/pug_4.png", Reason.NO_IMAGE),
        Fault("pug_5", "images/pug_5.jpg", Reason.NO_FILES),
        Fault(r"pug_\udcff", r"images/pug_\udcff.jpg", Reason.NO_MASK),
    ]


def test_other_suffixes_and_folders_around_are_accepted(tmp_path):
    (tmp_path / "oxford").mkdir()
    source = layout(tmp_path / "oxford", "beagle_1 beagle_2", "beagle_1 beagle_2")
    (source / "images/beagle_1.jpg").rename(source / "images/beagle_1.JPG")
    (source / "images/beagle_2.jpg").rename(source / "images/beagle_2.jpeg")
    (tmp_path / "__MACOSX/images").mkdir(parents=True)
    pairs, faults, _ = take_inventory(tmp_path)
    assert [pair.image for pair in pairs] == [
        "oxford/images/beagle_1.JPG",
        "oxford/images/beagle_2.jpeg",
    ]
    assert (tmp_path / pairs[0].trimap).is_file()
    assert faults == []
    (source / "images/beagle_1.png").touch()
    _, faults, _ = take_inventory(tmp_path)
    assert faults == [Fault("beagle_1", "oxford/images/beagle_1.png", Reason.TWICE)]
    (tmp_path / "copy/images").mkdir(parents=True)
    with pytest.raises(UserError, match=r"no single folder images/ \(copy/images, oxford/images\)"):
        take_inventory(tmp_path)


@pytest.mark.parametrize(
    ("trainval", "test", "split", "note"),
    [
        ("beagle_1 beagle_2", "beagle_2", "test", Note.IN_BOTH_LISTS),
        ("beagle_1 beagle_2 beagle_2", "beagle_1", "trainval", Note.LISTED_TWICE),
    ],
)
def test_a_name_listed_twice_counts_once_and_is_noted(tmp_path, trainval, test, split, note):
    source = layout(tmp_path, "beagle_1 beagle_2", "beagle_1 beagle_2", trainval, test)
    (source / "annotations" / "list.txt").write_text("pug_1 27 2 19\n")  # is not read
    pairs, _, names = take_inventory(source)
    assert names == 2
    assert (pairs[1].split, note in pairs[1].notes) == (split, True)


def test_another_layout_and_empty_lists_are_refused(tmp_path):
    (tmp_path / "oxford-iiit-pet").mkdir()
    with pytest.raises(UserError, match=r"annotations/ \(none\): .* annotations/trimaps/NAME\.png"):
        take_inventory(tmp_path)
    with pytest.raises(UserError, match="name no pictures"):
        take_inventory(layout(tmp_path, "pug_1", "pug_1", "", ""))
