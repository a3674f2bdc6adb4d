import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.ingest.checks import Pair, UnusableError, check_pair, count_scans
from pipeline.ingest.inventory import Note, Reason

WIDTH, HEIGHT = 48, 32


def smooth(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A picture that JPEG keeps nearly as it is: (height, width, 3), no two corners alike."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4, y * 4, 250 - x * 2 - y * 2], axis=2).astype(np.uint8)


def jpeg(picture: Image.Image, **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=95, subsampling=0, **options)
    return stream.getvalue()


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format=kind, **options)
    return stream.getvalue()


def rotated_jpeg(picture: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(picture, exif=exif)


def trimap(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    values = np.full((height, width), 2, dtype=np.uint8)
    values[4:12, 4:20] = 3
    values[6:10, 6:18] = 1
    return values


def check(tmp_path: Path, image: bytes, mask: bytes | np.ndarray | None = None) -> Pair:
    values = trimap() if mask is None else mask
    data = values if isinstance(values, bytes) else encoded(Image.fromarray(values), "PNG")
    (tmp_path / "image.jpg").write_bytes(image)
    (tmp_path / "mask.png").write_bytes(data)
    return check_pair(tmp_path / "image.jpg", tmp_path / "mask.png")


def reason(tmp_path: Path, image: bytes, mask: bytes | np.ndarray | None = None) -> tuple:
    with pytest.raises(UnusableError) as caught:
        check(tmp_path, image, mask)
    return caught.value.reason, caught.value.file.name


PLAIN = jpeg(Image.fromarray(smooth()))
NOISE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def test_a_plain_jpeg_keeps_its_bytes(tmp_path):
    pair = check(tmp_path, PLAIN)
    assert pair.jpeg == PLAIN
    assert pair.notes == ()
    assert (pair.picture.size, pair.picture.mode) == ((WIDTH, HEIGHT), "RGB")


def test_class_ids_are_trimap_values_minus_one(tmp_path):
    pair = check(tmp_path, PLAIN)
    assert pair.mask.dtype == np.uint8
    np.testing.assert_array_equal(pair.mask, trimap() - 1)


GRAY = Image.fromarray(smooth()[..., 0])


@pytest.mark.parametrize(
    ("data", "notes"),
    [
        (encoded(Image.fromarray(smooth()), "PNG"), (Note.PNG,)),
        (encoded(Image.fromarray(smooth()).convert("RGBA"), "PNG"), (Note.PNG, Note.ALPHA)),
        (encoded(Image.fromarray(smooth()), "BMP"), (Note.OTHER_FORMAT,)),
        (jpeg(Image.fromarray(smooth()).convert("CMYK")), (Note.CMYK,)),
    ],
)
def test_an_odd_picture_is_converted_to_an_rgb_jpeg_of_the_same_look(tmp_path, data, notes):
    pair = check(tmp_path, data)
    assert pair.notes == notes
    stored = Image.open(io.BytesIO(pair.jpeg))
    assert (stored.format, stored.mode) == ("JPEG", "RGB")
    np.testing.assert_allclose(np.asarray(stored), smooth(), atol=6)
    np.testing.assert_array_equal(np.asarray(pair.picture), np.asarray(stored))


def test_a_gif_is_converted(tmp_path):
    pair = check(tmp_path, encoded(Image.new("RGB", (WIDTH, HEIGHT), (200, 30, 90)), "GIF"))
    assert pair.notes == (Note.GIF, Note.PALETTE)
    np.testing.assert_allclose(np.asarray(pair.picture)[5, 5], (200, 30, 90), atol=3)


@pytest.mark.parametrize(
    ("data", "notes"),
    [
        (jpeg(GRAY), (Note.GRAYSCALE,)),
        (encoded(GRAY.convert("LA"), "PNG"), (Note.PNG, Note.GRAYSCALE)),
        (
            encoded(Image.fromarray(smooth()[..., 0].astype(np.uint16) * 257), "PNG"),
            (Note.PNG, Note.DEEP),
        ),
    ],
)
def test_a_gray_picture_gets_three_equal_channels(tmp_path, data, notes):
    pair = check(tmp_path, data)
    assert pair.notes == notes
    expected = np.repeat(smooth()[..., :1], 3, axis=2)
    np.testing.assert_allclose(np.asarray(pair.picture), expected, atol=6)


def test_a_picture_rotated_by_exif_is_turned_to_fit_the_mask(tmp_path):
    # Orientation 6: turn a quarter clockwise to see it upright.
    pair = check(tmp_path, rotated_jpeg(Image.fromarray(smooth(HEIGHT, WIDTH)), 6))
    assert pair.notes == (Note.ROTATED,)
    assert "exif" not in Image.open(io.BytesIO(pair.jpeg)).info
    clockwise = np.rot90(smooth(HEIGHT, WIDTH), k=-1)
    np.testing.assert_allclose(np.asarray(pair.picture), clockwise, atol=6)


@pytest.mark.parametrize("orientation", [3, 6])
def test_the_stored_orientation_is_kept_where_it_fits_and_the_tag_dropped(tmp_path, orientation):
    pair = check(tmp_path, rotated_jpeg(Image.fromarray(smooth()), orientation))
    assert pair.notes == (Note.NOT_ROTATED,)
    assert Image.open(io.BytesIO(pair.jpeg)).getexif().get(0x0112) is None
    np.testing.assert_allclose(np.asarray(pair.picture), smooth(), atol=6)


def test_an_upright_exif_orientation_is_nothing_odd(tmp_path):
    assert check(tmp_path, rotated_jpeg(Image.fromarray(smooth()), 1)).notes == ()


def test_no_orientation_of_another_size_fits(tmp_path):
    sideways = Image.fromarray(smooth(HEIGHT, WIDTH))
    assert reason(tmp_path, jpeg(sideways)) == (Reason.SIZES, "image.jpg")
    assert reason(tmp_path, rotated_jpeg(sideways, 3)) == (Reason.SIZES, "image.jpg")


def test_a_jpeg_cut_short_is_truncated(tmp_path):
    data = jpeg(Image.fromarray(NOISE))
    assert reason(tmp_path, data[: len(data) // 2]) == (Reason.TRUNCATED, "image.jpg")


def test_a_jpeg_with_a_zeroed_tail_is_truncated_though_it_may_decode(tmp_path):
    data = jpeg(Image.fromarray(NOISE))
    zeroed = data[: int(len(data) * 0.6)].ljust(len(data), b"\0")
    assert reason(tmp_path, zeroed) == (Reason.TRUNCATED, "image.jpg")


def test_the_end_marker_of_a_thumbnail_does_not_count(tmp_path):
    exif = b"Exif\0\0" + PLAIN  # not a valid EXIF block, but a whole JPEG inside one
    data = jpeg(Image.fromarray(smooth()), exif=exif)
    assert data.count(b"\xff\xd9") == 2
    assert reason(tmp_path, data[:-2]) == (Reason.TRUNCATED, "image.jpg")


def test_damaged_exif_data_do_not_make_a_picture_unusable(tmp_path):
    data = jpeg(Image.fromarray(smooth()), exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert check(tmp_path, data).jpeg == data


def test_a_png_with_a_wrong_checksum_does_not_decode(tmp_path):
    data = bytearray(encoded(Image.fromarray(smooth()), "PNG"))
    data[data.index(b"IDAT") + 20] ^= 1
    assert reason(tmp_path, bytes(data)) == (Reason.DAMAGED, "image.jpg")


def test_a_png_that_lacks_nothing_but_its_end_is_not_used(tmp_path):
    data = encoded(Image.fromarray(trimap()), "PNG")
    for missing in range(1, 12):
        found, file = reason(tmp_path, PLAIN, data[:-missing])
        assert found in (Reason.TRUNCATED, Reason.DAMAGED)
        assert file == "mask.png"


def test_a_jpeg_of_endless_scans_is_too_large(tmp_path):
    data = encoded(GRAY, "JPEG", progressive=True)
    scan = data[data.rfind(b"\xff\xda") : -2]
    few, many = (data[:-2] + count * scan + b"\xff\xd9" for count in (50, 100))
    assert check(tmp_path, few).notes == (Note.GRAYSCALE,)
    assert reason(tmp_path, many) == (Reason.TOO_LARGE, "image.jpg")


def test_what_looks_like_scans_in_a_segment_or_behind_the_picture_does_not_count(tmp_path):
    """A telephone puts a film behind its photograph, and any bytes into segments of its own."""
    data = encoded(GRAY, "JPEG", progressive=True)
    scans = data.count(b"\xff\xda")  # of a small grey picture; none of its bytes are so by chance
    like_scans = 200 * b"\xff\xda\x12\x34"
    segment = b"\xff\xe5" + (2 + len(like_scans)).to_bytes(2) + like_scans
    telephone_s = data[:2] + segment + data[2:] + like_scans
    assert count_scans(data) == count_scans(telephone_s) == scans > 1
    assert check(tmp_path, telephone_s + b"\xff\xd9").notes == (Note.GRAYSCALE,)


def test_a_file_of_more_bytes_than_any_picture_is_not_read(tmp_path):
    (tmp_path / "huge.jpg").touch()
    os.truncate(tmp_path / "huge.jpg", 2**40)
    (tmp_path / "mask.png").write_bytes(encoded(Image.fromarray(trimap()), "PNG"))
    with pytest.raises(UnusableError) as caught:
        check_pair(tmp_path / "huge.jpg", tmp_path / "mask.png")
    assert caught.value.reason == Reason.TOO_LARGE


def test_formats_whose_decoders_start_programs_are_not_tried(tmp_path):
    """Pillow hands an EPS to Ghostscript, whatever the file is called."""
    data = encoded(Image.fromarray(smooth()), "EPS")
    assert reason(tmp_path, data) == (Reason.NOT_A_PICTURE, "image.jpg")


@pytest.mark.parametrize("data", [b"", b"<html>404</html>", b"\0" * 500])
def test_what_is_no_picture_is_said_to_be_none(tmp_path, data):
    assert reason(tmp_path, data) == (Reason.NOT_A_PICTURE, "image.jpg")


def test_a_picture_beyond_the_pixel_limit_is_too_large(tmp_path, monkeypatch):
    for limit in (WIDTH * HEIGHT - 1, WIDTH * HEIGHT // 3):  # where Pillow warns; where it raises
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        large = encoded(Image.fromarray(smooth(WIDTH * 2, HEIGHT)), "PNG")
        assert reason(tmp_path, large, trimap(2, 2)) == (Reason.TOO_LARGE, "image.jpg")


def test_a_side_longer_than_jpeg_can_hold_is_too_large(tmp_path):
    long = encoded(Image.new("L", (65_501, 1)), "PNG")
    assert reason(tmp_path, long) == (Reason.TOO_LARGE, "image.jpg")


def test_colours_without_a_conversion_are_not_understood(tmp_path):
    floats = Image.fromarray(np.ones((HEIGHT, WIDTH), dtype=np.float32))
    assert reason(tmp_path, encoded(floats, "TIFF")) == (Reason.COLOURS, "image.jpg")


@pytest.mark.parametrize("value", [0, 4, 255])
def test_a_mask_with_another_value_is_unusable(tmp_path, value):
    values = trimap()
    values[0, 0] = value
    assert reason(tmp_path, PLAIN, values) == (Reason.MASK_VALUES, "mask.png")


def test_a_mask_in_colours_is_unusable(tmp_path):
    assert reason(tmp_path, PLAIN, smooth()) == (Reason.MASK_CHANNELS, "mask.png")


def test_a_mask_of_another_size_is_unusable(tmp_path):
    assert reason(tmp_path, PLAIN, trimap(WIDTH + 1)) == (Reason.SIZES, "image.jpg")


def test_a_damaged_mask_is_unusable(tmp_path):
    data = encoded(Image.fromarray(trimap()), "PNG")
    assert reason(tmp_path, PLAIN, data[:-30]) == (Reason.DAMAGED, "mask.png")
    assert reason(tmp_path, PLAIN, b"mask") == (Reason.NOT_A_PICTURE, "mask.png")


def test_a_mask_of_palette_indices_or_16_bits_is_read_by_its_values(tmp_path):
    indexed = Image.fromarray(trimap())
    indexed.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    deep = Image.fromarray(trimap().astype(np.uint16))
    for mask in (indexed, deep):
        pair = check(tmp_path, PLAIN, encoded(mask, "PNG"))
        np.testing.assert_array_equal(pair.mask, trimap() - 1)
        assert pair.mask.dtype == np.uint8
