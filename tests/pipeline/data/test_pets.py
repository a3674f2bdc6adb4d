import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from pipeline.core.terminal import UserError
from pipeline.data.images import load_image, load_mask, save_mask
from pipeline.data.pets import (
    CLASSES,
    PALETTE,
    breed_of,
    image_path,
    mask_path,
    read_list,
    species_of,
)

MASKS = arrays(
    np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 2)
)


def write_list(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "test.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "breed", "species"),
    [
        ("Abyssinian_100", "Abyssinian", "cat"),
        ("British_Shorthair_9", "British_Shorthair", "cat"),
        ("beagle_1", "beagle", "dog"),
        ("american_pit_bull_terrier_191", "american_pit_bull_terrier", "dog"),
    ],
)
def test_a_name_tells_breed_and_species(name, breed, species):
    assert (breed_of(name), species_of(name)) == (breed, species)


def test_the_folder_of_pets_keeps_images_and_masks_apart():
    assert image_path(Path("pets"), "beagle_1") == Path("pets/images/beagle_1.jpg")
    assert mask_path(Path("pets"), "beagle_1") == Path("pets/masks/beagle_1.png")


def test_a_list_is_read_in_its_order_without_comments_and_blank_lines(tmp_path):
    path = write_list(tmp_path, "#Image CLASS-ID\nbeagle_2 5 2 2\n\nAbyssinian_1 1 1 1\n")
    assert read_list(path) == ["beagle_2", "Abyssinian_1"]


def test_a_list_of_bare_names_is_accepted(tmp_path):
    assert read_list(write_list(tmp_path, "beagle_2\r\nBengal_7\r\n")) == ["beagle_2", "Bengal_7"]


@pytest.mark.parametrize("line", ["../../etc/passwd_1", "beagle", "_1", "a/b_1", "9_1", "beagle_"])
def test_a_line_that_does_not_begin_with_a_name_is_named(tmp_path, line):
    with pytest.raises(UserError, match=r"test\.txt, line 2: .* is not a name"):
        read_list(write_list(tmp_path, f"beagle_1 5 2 2\n{line} 1 1 1\n"))


@pytest.mark.parametrize("line", ["beagle_1 5 1 2", "Bengal_1 6 2 2", "Bengal_1 6 3 2"])
def test_a_species_that_contradicts_the_name_is_refused(tmp_path, line):
    with pytest.raises(UserError, match=r"line 1: species .* 1 for a cat .* 2 for a dog"):
        read_list(write_list(tmp_path, line))


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(UserError, match=r"trainval\.txt is missing"):
        read_list(tmp_path / "trainval.txt")


def test_a_list_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "test.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"test\.txt is not a text file"):
        read_list(path)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_a_photograph_is_rgb_whatever_is_stored(tmp_path, mode):
    Image.new("RGB", (5, 3), (255, 255, 255)).convert(mode).save(tmp_path / "x.tiff")
    image = load_image(tmp_path / "x.tiff")
    assert (image.shape, image.dtype) == ((3, 5, 3), np.uint8)
    assert (image == 255).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mask=MASKS)
def test_a_mask_survives_saving_and_loading(tmp_path, mask):
    save_mask(tmp_path / "mask.png", mask)
    loaded = load_mask(tmp_path / "mask.png")
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, mask)


def test_a_mask_is_coloured_by_the_palette_when_looked_at(tmp_path):
    save_mask(tmp_path / "mask.png", np.array([[0, 1, 2]], dtype=np.uint8))
    assert len(CLASSES) == len(PALETTE) == 3
    np.testing.assert_array_equal(load_image(tmp_path / "mask.png"), [PALETTE])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mask=MASKS)
def test_a_mask_file_does_not_depend_on_the_zlib_build(tmp_path, mask):
    # Pillow carries a zlib of its own (zlib-ng); Python's is another build.
    assert_same_stream_from_python(tmp_path / "mask.png", mask)


def test_a_large_noisy_mask_does_not_depend_on_the_zlib_build_either(tmp_path):
    noise = np.random.default_rng(0).integers(0, 3, (1000, 700), dtype=np.uint8)
    assert_same_stream_from_python(tmp_path / "mask.png", noise)
    assert_same_stream_from_python(tmp_path / "mask.png", np.sort(noise))


def assert_same_stream_from_python(path: Path, mask: np.ndarray) -> None:
    save_mask(path, mask)
    stream = compressed_data(path.read_bytes())
    python = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    assert python.compress(zlib.decompress(stream)) + python.flush() == stream


def compressed_data(png: bytes) -> bytes:
    data, position = b"", 8
    while position < len(png):
        length = int.from_bytes(png[position : position + 4], "big")
        if png[position + 4 : position + 8] == b"IDAT":
            data += png[position + 8 : position + 8 + length]
        position += 12 + length
    return data
