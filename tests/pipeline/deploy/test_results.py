"""Four pictures for each photograph, which never take the place of anything but their own."""

import numpy as np
import pytest
from PIL import Image

from pipeline.core.terminal import UserError
from pipeline.data.pets import PALETTE
from pipeline.deploy import results
from pipeline.deploy.results import (
    KINDS,
    claim_stem,
    is_result,
    owner,
    photograph_key,
    result_files,
    save_results,
)
from pipeline.scoring.pictures import overlay

RANDOM = np.random.default_rng(0)
PHOTOGRAPH = RANDOM.integers(0, 256, (5, 7, 3), dtype=np.uint8)
MASK = RANDOM.integers(0, 3, (5, 7), dtype=np.uint8)


def save(out, photograph, claimed=None):
    """Save results for the photograph; return their stem."""
    stem = claim_stem(out, photograph, {} if claimed is None else claimed)
    save_results(result_files(out, stem), PHOTOGRAPH, MASK, photograph_key(photograph))
    return stem


def pixels(file):
    return np.asarray(Image.open(file))


def test_the_four_pictures_say_the_same_in_four_ways(tmp_path):
    files = result_files(tmp_path, "cat")
    save_results(files, PHOTOGRAPH, MASK, "key")
    assert sorted(tmp_path.iterdir()) == sorted(files.values())
    assert tuple(files) == KINDS
    np.testing.assert_array_equal(pixels(files["input"]), PHOTOGRAPH)
    np.testing.assert_array_equal(pixels(files["mask"]), MASK)
    np.testing.assert_array_equal(pixels(files["palette"]), MASK)
    np.testing.assert_array_equal(pixels(files["overlay"]), np.asarray(overlay(PHOTOGRAPH, MASK)))
    assert Image.open(files["mask"]).mode == "L"
    in_colour = Image.open(files["palette"]).convert("RGB")
    np.testing.assert_array_equal(np.asarray(in_colour), np.array(PALETTE, np.uint8)[MASK])


def test_an_overlay_in_strips_is_the_overlay(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "STRIP", 14)  # two rows
    save(tmp_path, tmp_path / "cat.jpg")
    expected = np.asarray(overlay(PHOTOGRAPH, MASK))
    np.testing.assert_array_equal(pixels(tmp_path / "cat.overlay.png"), expected)


def test_results_are_named_like_the_photograph(tmp_path):
    assert save(tmp_path / "out", tmp_path / "a cat.v2.jpg") == "a cat.v2"
    assert (tmp_path / "out" / "a cat.v2.mask.png").exists()


def test_the_same_photograph_gets_its_own_names_again(tmp_path):
    photograph = tmp_path / "cat.jpg"
    assert [save(tmp_path, photograph) for _ in range(3)] == ["cat"] * 3


@pytest.mark.parametrize("other", ["b/cat.jpg", "a/cat.png"])
def test_photographs_of_the_same_name_get_results_of_their_own(tmp_path, other):
    """In one run, before there are files, and in another, after; and whichever comes first."""
    first, second = tmp_path / "a/cat.jpg", tmp_path / other
    claimed = {}
    stems = [claim_stem(tmp_path, each, claimed) for each in (first, second)]
    assert stems == ["cat", f"{second.stem}-{photograph_key(second)}"]
    save(tmp_path, first, {})
    save(tmp_path, second, {"cat": photograph_key(first)})
    assert [claim_stem(tmp_path, each, {}) for each in (second, first)] == stems[::-1]


def test_names_that_differ_in_case_alone_are_one_to_some_file_systems(tmp_path):
    claimed = {}
    stems = [claim_stem(tmp_path, tmp_path / name, claimed) for name in ("cat.jpg", "CAT.jpg")]
    assert stems == ["cat", f"CAT-{photograph_key(tmp_path / 'CAT.jpg')}"]


def test_two_ways_to_name_a_photograph_are_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    names = ["cat.jpg", "../" + tmp_path.name + "/cat.jpg", "link/cat.jpg"]
    assert len({photograph_key(tmp_path / name) for name in names}) == 1


@pytest.mark.parametrize("content", [b"my own drawing", None])
def test_what_others_put_there_is_not_overwritten(tmp_path, content):
    own = tmp_path / "cat.mask.png"
    if content is None:
        Image.fromarray(MASK).save(own)
    else:
        own.write_bytes(content)
    before = own.read_bytes()
    stem = save(tmp_path, tmp_path / "cat.jpg")
    assert stem == f"cat-{photograph_key(tmp_path / 'cat.jpg')}"
    assert own.read_bytes() == before
    assert save(tmp_path, tmp_path / "cat.jpg") == stem
    (tmp_path / f"{stem}.mask.png").write_bytes(b"that too")
    with pytest.raises(UserError, match=r"cat\.jpg: .* has other files"):
        claim_stem(tmp_path, tmp_path / "cat.jpg", {})


def test_results_are_told_from_pictures_by_their_mark(tmp_path):
    save(tmp_path, tmp_path / "cat.jpg")
    files = result_files(tmp_path, "cat").values()
    assert all(is_result(file) for file in files)
    assert {owner(file) for file in files} == {photograph_key(tmp_path / "cat.jpg")}
    Image.fromarray(PHOTOGRAPH).save(tmp_path / "dog.input.png")
    assert not is_result(tmp_path / "dog.input.png")
    assert not is_result(tmp_path / "none.input.png")


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    save(tmp_path, tmp_path / "cat.jpg")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}

    def full_disk(self, file, **options):
        file.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, tmp_path / "cat.jpg")
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
