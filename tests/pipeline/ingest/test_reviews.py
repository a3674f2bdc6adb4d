"""Decisions are applied beside the pairs, which stay as published."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pictures import encoded
from tiny_pets import OXFORD, write_index, write_pair

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.data.images import load_mask
from pipeline.data.pairs import image_path, mask_path
from pipeline.data.reviewed import Decision, read_decisions
from pipeline.ingest.additions import Addition, add_pair, read_additions, remove_pair
from pipeline.ingest.decisions import Held, Review, change
from pipeline.ingest.reviews import apply_reviews

NAMES = ["Bengal_1", "pug_1", "pug_2"]
SIZE = (40, 50)  # height, width
HALVES = np.repeat([[0], [1]], 20, axis=0).repeat(50, axis=1).astype(np.uint8)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        write_pair(Path("pairs"), name, *SIZE)
    write_index(Path("pairs"), NAMES)
    return tmp_path


def decide(name, decision, mask=None, digest=None, reason=""):
    digest = digest or file_digest(mask_path(Path("pairs"), name))
    change(Path("labels"), name, Held(), Held(Review(name, digest, decision, "Ann", reason), mask))


def apply():
    return apply_reviews(OXFORD, Path("tiny.yaml"), Path("labels"), Path("pairs"), Path("reviewed"))


def add(name, image, mask, dataset="tiny"):
    add_pair(Path("labels"), Addition(name, dataset, "row 7 of the log", "Ann"), image, mask)


def files(folder):
    return {file: file.read_bytes() for file in Path(folder).rglob("*") if file.is_file()}


def test_without_reviews_nothing_is_counted_and_nothing_written_but_a_header(workspace):
    assert apply() == {}
    assert files("reviewed") == {Path("reviewed/decisions.csv"): b"name,decision,reason\n"}


def test_each_decision_does_what_it_says_and_leaves_the_published_pairs(workspace):
    before = files("pairs")
    decide("Bengal_1", "swap:pet,border")
    decide("pug_1", "file", encoded(HALVES))
    decide("pug_2", "leave out", reason="two animals, one labelled")
    assert apply() == {"reviews": {"swap": 1, "file": 1, "leave out": 1}}
    assert files("pairs") == before
    published = load_mask(mask_path(Path("pairs"), "Bengal_1"))
    expected = np.select([published == 0, published == 2], [2, 0], default=1)
    np.testing.assert_array_equal(load_mask(Path("reviewed/masks/Bengal_1.png")), expected)
    np.testing.assert_array_equal(load_mask(Path("reviewed/masks/pug_1.png")), HALVES)
    assert not Path("reviewed/masks/pug_2.png").exists()
    assert read_decisions(Path("reviewed")) == {
        "Bengal_1": Decision("swap:pet,border", ""),
        "pug_1": Decision("file", ""),
        "pug_2": Decision("leave out", "two animals, one labelled"),
    }
    first = files("reviewed")
    apply()
    assert files("reviewed") == first


def test_a_decision_about_another_mask_or_pair_does_not_hold_and_is_said(workspace, capsys):
    decide("Bengal_1", "leave out", digest="0" * 64)
    decide("pug_9", "right", digest="0" * 64)
    decide("pug_1", "right")
    assert apply() == {
        "reviews": {"right": 1},
        "reviews_that_do_not_hold": {"its mask has changed": 1, "no such pair": 1},
    }
    assert [*read_decisions(Path("reviewed"))] == ["pug_1"]
    assert "1 decisions do not hold: its mask has changed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("decision", "mask", "message"),
    [
        ("file", encoded(HALVES[1:]), r"masks/pug_1.png: .* differ in size: 50x39 and 50x40"),
        ("file", encoded(HALVES + 2), r"masks/pug_1.png: .*\(found 2, 3; expected 0 to 2\)"),
        ("model", b"no picture", r"masks/pug_1.png: not a picture"),
        ("file", None, r"masks/pug_1.png"),
        ("swap:pet,tail", None, r"review.csv: pug_1: tail is no class; known: pet, background"),
    ],
)
def test_what_cannot_be_applied_is_refused_by_its_file(workspace, decision, mask, message):
    Path("reviewed").mkdir()
    Path("reviewed/earlier").touch()
    decide("pug_1", decision, mask)
    with pytest.raises(UserError, match=message):
        apply()
    assert files("reviewed") == {Path("reviewed/earlier"): b""}


def test_added_pairs_are_checked_and_indexed_like_others(workspace):
    picture = image_path(Path("pairs"), "pug_1").read_bytes()
    add("2026-ab", picture, encoded(HALVES))
    add("Bengal_7", picture, encoded(HALVES))
    add("street", picture, encoded(HALVES), dataset="camvid")
    assert apply() == {"added": 2}
    index = pd.read_csv("reviewed/index.csv", keep_default_na=False)
    columns = ["name", "breed", "species", "split", "width", "height"]
    assert index[columns].to_numpy().tolist() == [
        ["2026-ab", "", "", "added", 50, 40],
        ["Bengal_7", "Bengal", "cat", "added", 50, 40],
    ]
    assert index["mask_sha256"][0] == file_digest(Path("reviewed/masks/2026-ab.png"))
    assert Path("reviewed/images/2026-ab.jpg").read_bytes() == picture


def test_an_added_pair_that_is_taken_out_leaves_no_trace(workspace):
    add("seen", b"an image", b"a mask")
    add("name", b"an image", b"a mask")  # as the first column is called
    remove_pair(Path("labels"), "seen")
    assert [*read_additions(Path("labels"))] == ["name"]
    remove_pair(Path("labels"), "name")
    assert apply() == {}
    assert [*files("labels")] == [Path("labels/added/added.csv")]


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("pug_1", None, "pug_1 is a pair of the data set already"),
        ("seen", b"no picture", "added/images/seen.jpg: not a picture: correct it or take it out"),
        ("../seen", None, "name has unusual characters"),
    ],
)
def test_an_added_pair_that_cannot_be_used_stops_with_its_name(workspace, name, image, message):
    add(name, image or image_path(Path("pairs"), "pug_1").read_bytes(), encoded(HALVES))
    with pytest.raises(UserError, match=message):
        apply()
