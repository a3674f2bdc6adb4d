"""Five files for each image, which replace nothing but their own; and the foreground, cut out."""

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image
from small_disk import small_disk
from tiny_models import BACKGROUND, BORDER, PET
from tiny_pets import PETS

from pipeline.data.classes import Class, Classes
from pipeline.deploy import results
from pipeline.deploy.predictor import LONGEST_SIDE
from pipeline.deploy.results import (
    KINDS,
    claim_stem,
    cut_out,
    draw_results,
    image_key,
    is_result,
    opacity,
    owner,
    result_files,
    save_results,
)
from pipeline.scoring.pictures import overlay

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 256, (5, 7, 3), dtype=np.uint8)
MASK = RANDOM.integers(0, 3, (5, 7), dtype=np.uint8)
SURE = RANDOM.integers(85, 256, (5, 7), dtype=np.uint8)
IDENTITY = {"version": 3, "digest": "0123456789ab", "dataset": "oxford"}


def save(out, path, claimed=None):
    """Save results for the image; return their stem."""
    stem = claim_stem(out, path, {} if claimed is None else claimed)
    drawn = draw_results(IMAGE, MASK, PETS, SURE)
    save_results(result_files(out, stem), drawn, IDENTITY, image_key(path))
    return stem


def pixels(file):
    return np.asarray(Image.open(file))


def test_the_five_files_agree(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "STRIP", 14)  # the overlay is drawn two rows at a time
    assert save(tmp_path / "out", tmp_path / "a cat.v2.jpg") == "a cat.v2"
    files = result_files(tmp_path / "out", "a cat.v2")
    assert sorted((tmp_path / "out").iterdir()) == sorted(files.values())
    assert tuple(files) == KINDS
    np.testing.assert_array_equal(pixels(files["input"]), IMAGE)
    np.testing.assert_array_equal(pixels(files["mask"]), MASK)
    np.testing.assert_array_equal(pixels(files["palette"]), MASK)
    np.testing.assert_array_equal(pixels(files["overlay"]), np.asarray(overlay(IMAGE, MASK, PETS)))
    np.testing.assert_array_equal(pixels(files["confidence"]), SURE)
    assert Image.open(files["mask"]).mode == "L"
    in_colour = Image.open(files["palette"]).convert("RGB")
    np.testing.assert_array_equal(np.asarray(in_colour), np.array(PETS.palette, np.uint8)[MASK])


def test_the_heat_map_is_lighter_where_the_model_is_surer():
    drawn = results.heat_map(np.arange(256, dtype=np.uint8)[None])
    inferno = 255 * colormaps["inferno"](range(256))[:, :3]
    assert np.abs(np.asarray(drawn.convert("RGB"))[0] - inferno).max() < 10
    shown = np.asarray(drawn.convert("L"))[0]
    assert shown[0] < 10
    assert shown[-1] > 230
    assert (np.diff(shown.astype(int)) >= 0).all()


# The last differ in case alone, which makes them one to some file systems.
@pytest.mark.parametrize("other", ["b/cat.jpg", "a/cat.png", "a/CAT.jpg"])
def test_images_of_the_same_name_get_results_of_their_own(tmp_path, other):
    first, second = tmp_path / "a/cat.jpg", tmp_path / other
    claimed = {}
    stems = [save(tmp_path, each, claimed) for each in (first, second)]
    assert stems == ["cat", f"{second.stem}-{image_key(second)}"]
    if second.stem == "CAT":  # which of the two a later run meets first depends on the file system
        return
    # A later run gives each its own again, in any order.
    assert [claim_stem(tmp_path, each, {}) for each in (second, first)] == stems[::-1]


def test_other_peoples_files_are_not_overwritten(tmp_path):
    Image.fromarray(MASK).save(own := tmp_path / "cat.mask.png")  # without our mark
    before = own.read_bytes()
    stem = f"cat-{image_key(tmp_path / 'cat.jpg')}"
    assert [save(tmp_path, tmp_path / "cat.jpg") for _ in range(2)] == [stem] * 2
    assert own.read_bytes() == before
    (tmp_path / f"{stem}.mask.png").write_bytes(b"that too")
    assert claim_stem(tmp_path, tmp_path / "cat.jpg", {}) is None


def test_results_are_known_by_their_mark(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("cat.jpg", f"../{tmp_path.name}/cat.jpg", "link/cat.jpg"):  # one image
        assert save(tmp_path, tmp_path / name) == "cat"
    files = result_files(tmp_path, "cat").values()
    assert all(is_result(file) for file in files)
    assert {owner(file) for file in files} == {image_key(tmp_path / "cat.jpg")}
    Image.fromarray(IMAGE).save(tmp_path / "dog.input.png")
    assert not is_result(tmp_path / "dog.input.png")
    assert not is_result(tmp_path / "none.input.png")


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    save(tmp_path, tmp_path / "cat.jpg")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with small_disk(50), pytest.raises(OSError, match="File too large"):
        save(tmp_path, tmp_path / "cat.jpg")
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        # Across the border: 255 times 3/4, 2/4 and 1/4.
        ([PET, BORDER, BORDER, BORDER, BACKGROUND], [255, 191, 128, 64, 0]),
        ([PET, BORDER], [255, 255]),
        ([BACKGROUND, BORDER], [0, 255]),
        ([BACKGROUND, BACKGROUND], [0, 0]),
    ],
)
def test_opacity_falls_across_the_border_from_pet_to_background(mask, expected):
    assert opacity(np.array([mask], np.uint8), PETS).tolist() == [expected]
    mask = np.full((5, 5), BACKGROUND, np.uint8)
    mask[0, 0] = PET
    mask[3, 4] = BORDER  # 5 from the pet (3, 4, 5), and 1 from the background beside it
    assert opacity(mask, PETS)[3, 4] == round(255 * 1 / 6)


def test_the_pet_is_cut_out_at_the_masks_own_resolution():
    image = np.full((1, 3, 3), 77, np.uint8)
    cut = cut_out(image, np.array([[PET, BORDER, BACKGROUND]], np.uint8), PETS)
    assert cut.mode == "RGBA"
    assert list(cut.get_flattened_data()) == [(77, 77, 77, 255), (77, 77, 77, 128), (0, 0, 0, 0)]
    mask = np.full((3 * LONGEST_SIDE, 6), BACKGROUND, np.uint8)
    mask[:LONGEST_SIDE] = PET
    alpha = opacity(mask, PETS)
    assert alpha.shape == mask.shape
    assert (alpha[: LONGEST_SIDE - 3] == 255).all()
    assert (alpha[LONGEST_SIDE + 3 :] == 0).all()


def test_all_foreground_classes_are_opaque_and_each_other_one_is_transparent():
    roles = ("foreground", None, "rim", "foreground", "background")
    streets = Classes("streets", tuple(Class(f"c{n}", "#000000", r) for n, r in enumerate(roles)))
    mask = np.array([[0, 3, 2, 1, 4]], np.uint8)
    assert opacity(mask, streets).tolist() == [[255, 255, 128, 0, 0]]
