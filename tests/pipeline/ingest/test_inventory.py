"""Which files are pairs: each layout in a small made-up data set."""

import os
from pathlib import Path

import pytest
from tiny_pets import OXFORD

from pipeline.core.params import check_values
from pipeline.core.terminal import UserError
from pipeline.data.description import Description
from pipeline.ingest.inventory import take_inventory
from pipeline.ingest.vocabulary import Fault, Note, Reason

WHERE = Path("datasets/mine.yaml")
CLASSES = [{"name": "sky", "values": [0]}, {"name": "road", "values": [1]}]


def described(layout: dict, groups: dict | None = None) -> Description:
    values = {"sources": {"a": {"url": "a.tar"}}, "layout": layout, "classes": CLASSES}
    return check_values(values | {"groups": groups or {}}, Description, WHERE)


def write(root: Path, files: str, **lists: str) -> Path:
    """Empty files, parted by blanks, and lists by their names without .txt."""
    texts = dict.fromkeys(files.split(), "") | {f"{name}.txt": text for name, text in lists.items()}
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    return root


def oxford(root: Path, images: str, trimaps: str, trainval="beagle_1", test="beagle_2") -> Path:
    """The official layout; names are parted by blanks."""
    files = [f"images/{name}.jpg" for name in images.split()]
    files += [f"annotations/trimaps/{name}.png" for name in trimaps.split()]
    for split, names in (("trainval", trainval), ("test", test)):
        write(root, "", **{f"annotations/{split}": "\n".join(names.split())})
    (root / "images").mkdir()
    return write(root, " ".join(files))


def found(root: Path, layout: dict, groups: dict | None = None) -> tuple[list, list, int]:
    """Pairs as (name, split, image, mask, groups), faults as (name, file, reason), and names."""
    pairs, faults, names = take_inventory(root, described(layout, groups), WHERE)
    shown = [(each.name, each.split, each.image, each.mask, each.groups) for each in pairs]
    return shown, [(each.name, each.file, each.reason) for each in faults], names


FOLDERS = {"images": "{split}/{name}.*", "masks": "{split}annot/{name}.png"}
PLAIN = {"images": "images/{name}.*", "masks": "masks/{name}.*"}
FILMS = {"images": "film/{film}/{name}.png", "masks": "mask/{film}/{name}.png"}
LISTED = PLAIN | {"lists": {"train": "train.txt", "val": "val.txt"}}
LAYOUTS = {
    "folders of lists, in any case, and other files beside": (
        FOLDERS,
        "C/Train/x.jpg C/Trainannot/x.png C/VAL/y.PNG C/VALannot/y.png C/extra/z.jpg C/readme.md",
        [("x", "train", "C/Train/x.jpg", "C/Trainannot/x.png", ()),
         ("y", "val", "C/VAL/y.PNG", "C/VALannot/y.png", ())],
    ),
    "folders of a list, however they are spelt": (
        {"images": "{split}/{name}.*", "masks": "{split}_masks/{name}.*"},
        "Train/a.jpg train_masks/a.png valid/b.jpg val_masks/b.png",
        [("a", "train", "Train/a.jpg", "train_masks/a.png", ()),
         ("b", "val", "valid/b.jpg", "val_masks/b.png", ())],
    ),
    "the same name in two lists": (
        FOLDERS,
        "train/1.jpg trainannot/1.png test/1.jpg testannot/1.png",
        [("test_1", "test", "test/1.jpg", "testannot/1.png", ()),
         ("train_1", "train", "train/1.jpg", "trainannot/1.png", ())],
    ),
    "no lists": (
        PLAIN,
        "d/images/a.JPEG d/masks/a.png d/images/b.tif d/masks/b.PNG d/images/b.mat .g/images/c.png",
        [("a", "", "d/images/a.JPEG", "d/masks/a.png", ()),
         ("b", "", "d/images/b.tif", "d/masks/b.PNG", ())],
    ),
    "one folder, where the pattern of images fits the masks too": (
        {"images": "{name}.*", "masks": "{name}_mask.png"},
        "x.png x_mask.png y.jpg y_mask.png",
        [("x", "", "x.png", "x_mask.png", ()), ("y", "", "y.jpg", "y_mask.png", ())],
    ),
    "beginnings and a star": (
        {"images": "img_{name}.*", "masks": "*/gt-{name}-*.png"},
        "a/img_7.png b/gt-7-x.png",
        [("7", "", "a/img_7.png", "b/gt-7-x.png", ())],
    ),
    "films, whose frames have one name": (
        FILMS,
        "film/a/1.png mask/a/1.png film/b/1.png mask/b/1.png",
        [("a_1", "", "film/a/1.png", "mask/a/1.png", ("a",)),
         ("b_1", "", "film/b/1.png", "mask/b/1.png", ("b",))],
    ),
    "films, whose frames have names of their own": (
        FILMS,
        "film/a/1.png mask/a/1.png film/b/2.png mask/b/2.png",
        [("1", "", "film/a/1.png", "mask/a/1.png", ("a",)),
         ("2", "", "film/b/2.png", "mask/b/2.png", ("b",))],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("layout", "files", "pairs"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_finds_its_pairs_and_nothing_else(tmp_path, layout, files, pairs):
    assert found(write(tmp_path, files), layout) == (pairs, [], len(pairs))


def test_films_that_give_two_frames_one_name_lose_neither_in_silence(tmp_path):
    files = [
        f"{kind}/{frame}.png" for kind in ("film", "mask") for frame in ("a/b_1", "a_b/1", "c/1")
    ]
    pairs, faults, names = found(write(tmp_path, " ".join(files)), FILMS)
    assert [pair[0] for pair in pairs] == ["c_1"]
    assert (faults, names) == ([("a_b_1", "film/a_b/1.png", Reason.TWICE)], 2)


@pytest.mark.parametrize(
    "text",
    ["b\na\n", "#name\r\nb.jpg\r\n\r\n  # more\r\na.PNG\r\n", "\ufeffb\na", "b\t1\t2\na\t3\t4",
     "b,1\na,2", "b 5 2 2\na 1 1 1\n"],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_list_has_the_name_first_on_each_line(tmp_path, text, encoding):
    write(tmp_path, "images/a.jpg masks/a.png images/b.jpg masks/b.png", val="")
    (tmp_path / "train.txt").write_bytes(text.replace("\ufeff", "").encode(encoding)
                                         if encoding != "utf-8" else text.encode())  # fmt: skip
    pairs, faults, names = found(tmp_path, LISTED)
    assert [pair[:2] for pair in pairs] == [("a", "train"), ("b", "train")]
    assert (faults, names) == ([], 2)


def test_a_list_may_hold_names_with_blanks_and_the_folder_before_them(tmp_path):
    for name in ("my dog 1", "my"):
        write(tmp_path, "", **{f"images/{name}.jpg": "", f"masks/{name}.png": ""})
        (tmp_path / f"images/{name}.jpg.txt").rename(tmp_path / f"images/{name}.jpg")
        (tmp_path / f"masks/{name}.png.txt").rename(tmp_path / f"masks/{name}.png")
    write(
        tmp_path, "", train="images/my dog 1.jpg\n./images/my dog/x.jpg\n", val="images\\gone.jpg"
    )
    pairs, faults, names = found(tmp_path, LISTED)
    assert [pair[0] for pair in pairs] == ["my", "my dog 1"]
    assert (faults, names) == ([("gone", "images/gone.*", Reason.NO_FILES)], 3)


def test_a_name_is_the_same_however_its_accents_are_stored_and_whatever_its_capitals(tmp_path):
    # macOS's way and the usual one; then Hindi, whose vowels are marks; then no letter at all.
    write(tmp_path, "images/cafe\u0301.jpg masks/caf\u00e9.png images/हिन्दी.jpg masks/हिन्दी.png")
    write(tmp_path, "images/\u0301.jpg masks/\u0301.png images/A.jpg masks/A.png", val="A")
    write(tmp_path, "", train="cafe\u0301\nहिन्दी\n\u0301")
    pairs, faults, _ = found(tmp_path, LISTED)
    assert [pair[0] for pair in pairs] == ["A", "caf\u00e9", "हिन्दी"]
    assert faults == [("\u0301", "images/\u0301.jpg", Reason.NAME)]
    films = write(tmp_path / "films", "film/x/F1.png mask/x/F1.png film/y/f1.png mask/y/f1.png")
    assert [pair[0] for pair in found(films, FILMS)[0]] == ["x_F1", "y_f1"]


def test_a_folder_whose_name_is_no_utf8_is_read(tmp_path):
    write(tmp_path / os.fsdecode(b"Bl\xe4tter"), "images/a.jpg masks/a.png")
    [pair], _, _ = found(tmp_path, PLAIN)
    assert (tmp_path / pair[2]).is_file()


def test_a_name_in_several_lists_is_in_the_last_and_noted(tmp_path):
    layout = PLAIN | {"lists": {"val": "val.txt", "train": "train.txt", "trainval": "all.txt"}}
    files = "images/a.jpg masks/a.png images/b.jpg masks/b.png"
    write(tmp_path, files, all="a\nb", train="a\na", val="b")
    pairs, _, names = take_inventory(tmp_path, described(layout), WHERE)
    assert names == 2
    assert [(pair.split, pair.notes) for pair in pairs] == [
        ("train", (Note.SEVERAL_LISTS, Note.LISTED_TWICE)),
        ("val", (Note.SEVERAL_LISTS,)),
    ]


PAIRS = {"pairs": {"train": "train.txt", "test": "test.txt"}}


def test_pairs_are_found_by_the_ends_of_paths_from_another_machine(tmp_path):
    files = "d/img/x.png d/gt/x.png d/img/y.jpg d/gt/y.png e/img/y.jpg"
    train = "/SegNet/d/img/x.png /SegNet/d/gt/x.png\n"
    test = "C:\\data\\d\\img\\y.jpg,C:\\data\\d\\gt\\y.png\r\n"
    assert found(write(tmp_path, files, train=train, test=test), PAIRS) == (
        [("x", "train", "d/img/x.png", "d/gt/x.png", ()),
         ("y", "test", "d/img/y.jpg", "d/gt/y.png", ())], [], 2,
    )  # fmt: skip


def test_a_pair_that_is_missing_or_fits_two_files_is_quarantined(tmp_path):
    files = "a/x.png b/x.png gt/x.png gt/y.png img/z.png"
    lines = ["x.png gt/x.png", "/far/y.jpg gt/y.png", "img/z.png gt/z.png", "no.png no_.png"]
    pairs, faults, names = found(write(tmp_path, files, train="\n".join(lines), test=""), PAIRS)
    assert (pairs, names) == ([], 4)
    assert faults == [
        ("no", "no.png", Reason.NO_FILES),
        ("x", "gt/x.png", Reason.TWICE),
        ("y", "gt/y.png", Reason.NO_IMAGE),
        ("z", "img/z.png", Reason.NO_MASK),
    ]


def test_pairs_of_films_are_named_by_their_folders(tmp_path):
    """As those of DAVIS."""
    frames = ["bear/1", "bear/2", "swan/1"]
    lines = [f"/JPEG/480p/{frame}.jpg /Anno/480p/{frame}.png" for frame in frames]
    files = " ".join(line.replace(" /", " ").removeprefix("/") for line in lines)
    twice = "\n".join([*lines, lines[0], "/JPEG/480p/bear/2.jpg /Anno/480p/swan/1.png"])
    pairs, faults, names = found(write(tmp_path, files, train=twice, test=""), PAIRS)
    assert [pair[0] for pair in pairs] == ["bear_1", "swan_1"]
    assert faults == [("bear_2", "Anno/480p/swan/1.png", Reason.TWICE)]
    assert names == 3


@pytest.mark.parametrize("line", ["a.png", "a.png b.png c.png", "a.png,"])
def test_a_line_without_two_paths_is_named(tmp_path, line):
    with pytest.raises(UserError, match=r"train\.txt: 'a\.png.*: expected the paths of an image"):
        found(write(tmp_path, "x.png", train=line, test=""), PAIRS)


def test_names_with_unusual_signs_or_without_a_group_are_quarantined(tmp_path):
    names = ["one_1", "-rf_2", "a*b_3", "猫" * 70 + "_4", "two", "a b(c)_5", "Kätzchen_6"]
    for name in names:
        for file in (tmp_path / f"images/{name}.jpg", tmp_path / f"masks/{name}.png"):
            file.parent.mkdir(exist_ok=True)
            file.touch()
    pairs, faults, _ = found(tmp_path, PLAIN, {"sort": "(.+)_[0-9]"})
    assert [(pair[0], pair[4]) for pair in pairs] == [
        ("Kätzchen_6", ("Kätzchen",)),
        ("a b(c)_5", ("a b(c)",)),
        ("one_1", ("one",)),
    ]
    assert [(fault[0][:5], fault[2]) for fault in faults] == [
        ("-rf_2", Reason.NAME),
        ("a*b_3", Reason.NAME),
        ("two", Reason.NO_GROUP),
        ("猫猫猫猫猫", Reason.NAME),  # 70 signs, 210 bytes
    ]


def test_the_official_lists_give_pairs_with_their_split_and_groups(tmp_path):
    oxford(tmp_path, "Bengal_1 beagle_2 ._beagle_1", "Bengal_1 beagle_2 ._beagle_2", "Bengal_1")
    (tmp_path / "images" / "beagle_1.mat").touch()  # other files are passed over, as hidden ones
    write(tmp_path, "", **{"annotations/list": "pug_1 27 2 19\n"})  # is not read
    pairs, faults, names = take_inventory(tmp_path, OXFORD, WHERE)
    assert [(pair.name, pair.split, pair.groups, pair.notes) for pair in pairs] == [
        ("Bengal_1", "trainval", ("Bengal", "cat"), ()),
        ("beagle_2", "test", ("beagle", "dog"), ()),
    ]
    assert (tmp_path / pairs[0].image).is_file()
    assert (tmp_path / pairs[0].mask).is_file()
    assert (faults, names) == ([], 2)


def test_every_name_without_a_pair_has_its_reason(tmp_path):
    no_utf8 = os.fsdecode(b"pug_\xff")
    images = f"pug_1 pug_2 pug_3 {no_utf8}"
    source = oxford(tmp_path, images, "pug_1 pug_4", "pug_2 pug_4", "pug_5 pug_*")
    pairs, faults, names = take_inventory(source, OXFORD, WHERE)
    assert pairs == []
    assert names == 4
    assert faults == [
        Fault("pug_*", "images/pug_*.*", Reason.NO_FILES),
        Fault("pug_1", "images/pug_1.jpg", Reason.NOT_LISTED),
        Fault("pug_2", "images/pug_2.jpg", Reason.NO_MASK),
        Fault("pug_3", "images/pug_3.jpg", Reason.NO_MASK),
        Fault("pug_4", "annotations/trimaps/pug_4.png", Reason.NO_IMAGE),
        Fault("pug_5", "images/pug_5.*", Reason.NO_FILES),
        Fault("pug_\udcff", "images/pug_\udcff.jpg", Reason.NAME),
    ]


def test_two_files_of_one_name_and_folders_in_two_places_are_not_guessed_at(tmp_path):
    oxford(tmp_path / "oxford", "beagle_1 beagle_2", "beagle_1 beagle_2")
    write(tmp_path, "__MACOSX/images/beagle_3.jpg oxford/images/beagle_1.png")
    _, faults, _ = take_inventory(tmp_path, OXFORD, WHERE)
    assert faults == [Fault("beagle_1", "oxford/images/beagle_1.png", Reason.TWICE)]
    write(tmp_path, "copy/images/beagle_1.jpg")
    with pytest.raises(UserError, match=r"several folders fit 'images/\{name\}\.\*': copy/, oxfor"):
        take_inventory(tmp_path, OXFORD, WHERE)


@pytest.mark.parametrize(
    ("files", "lists", "message"),
    [
        ("pics/a.jpg", {}, r"mine\.yaml: layout\.images: no file fits '.*; there is, .*/a\.jpg"),
        ("", {}, r"layout\.images: no file fits .*for example, nothing"),
        ("images/a.jpg", {}, r"layout\.masks: no file fits 'masks/"),
        ("images/a.jpg masks/a.png", {"train": "a"}, r"val\.txt is missing: .* names it as a list"),
        ("images/a.jpg masks/a.png c/val.txt", {"train": "a", "val": ""}, r"val\.txt is 2 times"),
        ("images/a.jpg masks/a.png", {"train": "", "val": "\n#\n"}, "the lists name no pictures"),
    ],
)  # fmt: skip
def test_another_layout_and_lists_that_are_missing_or_empty_are_refused(
    tmp_path, files, lists, message
):
    with pytest.raises(UserError, match=message):
        found(write(tmp_path, files, **lists), LISTED)


def test_a_list_that_is_no_text_is_named(tmp_path):
    write(tmp_path, "images/a.jpg masks/a.png", val="")
    (tmp_path / "train.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"train\.txt is not a text file"):
        found(tmp_path, LISTED)
