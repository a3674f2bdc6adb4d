"""Photographs of every kind that people have come as upright RGB; what cannot is named."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.deploy import photograph
from pipeline.deploy.photograph import PhotographError, load_photograph

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
# Three wide and two high, no two turns of it alike.
PIXELS = np.array([[RED, GREEN, BLUE], [WHITE, WHITE, RED]], np.uint8)


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream


def load(image, kind, **options):
    return load_photograph(encoded(image, kind, **options)).tolist()


def png(width, height, depth, colour_type, rows):
    """A PNG of bytes that are already filtered rows, for what Pillow does not write."""

    def chunk(kind, body):
        body = kind + body
        return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    chunks = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM", "JPEG2000"])
def test_rgb_comes_as_it_is_by_its_content_not_its_name(tmp_path, kind):
    file = tmp_path / "photograph.jpg"
    Image.fromarray(PIXELS).save(file, kind)
    loaded = load_photograph(file)
    assert loaded.dtype == np.uint8
    assert loaded.tolist() == PIXELS.tolist()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_formats_that_lose_detail_keep_a_plain_colour(kind):
    plain = Image.new("RGB", (20, 10), (180, 120, 60))
    loaded = load_photograph(encoded(plain, kind, quality=90))
    assert loaded.shape == (10, 20, 3)
    assert np.abs(loaded.astype(int) - (180, 120, 60)).max() <= 4


def test_lossless_webp_is_exact():
    assert load(Image.fromarray(PIXELS), "WEBP", lossless=True) == PIXELS.tolist()


# By EXIF's table: what the stored picture must go through to be upright.
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),  # clockwise
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_rotated_photograph_is_turned_upright(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    loaded = load(Image.fromarray(PIXELS), kind, exif=exif, **options)
    assert loaded == UPRIGHT[orientation](PIXELS).tolist()


def test_a_rotated_jpeg_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    left_red = Image.new("RGB", (32, 16), BLUE)
    left_red.paste(RED, (0, 0, 16, 16))
    loaded = load_photograph(encoded(left_red, "JPEG", exif=exif, quality=95))
    assert loaded.shape == (32, 16, 3)
    assert loaded[4, 8, 0] > 200  # clockwise: left comes to the top
    assert loaded[28, 8, 2] > 200


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0not TIFF"])
def test_damaged_exif_does_not_spoil_the_pixels(exif):
    assert load(Image.fromarray(PIXELS), "PNG", exif=exif) == PIXELS.tolist()


def test_grayscale_gets_three_equal_channels():
    grey = Image.fromarray(np.array([[0, 100, 255]], np.uint8))
    assert load(grey, "PNG") == [[[0] * 3, [100] * 3, [255] * 3]]


def test_black_and_white_of_one_bit():
    assert load(Image.fromarray(np.array([[True, False]])), "PNG") == [[[255] * 3, [0] * 3]]


def test_a_palette_is_looked_up():
    image = Image.fromarray(np.array([[1, 0, 2]], np.uint8))
    image.putpalette([10, 20, 30, *RED, *BLUE])
    assert load(image, "PNG") == [[list(RED), [10, 20, 30], list(BLUE)]]


def test_cmyk_is_what_the_inks_leave_of_white():
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255], [0, 100, 0, 0]]], np.uint8)
    loaded = load(Image.fromarray(inks, "CMYK"), "TIFF")
    assert loaded == [[[255, 255, 255], [0, 255, 255], [0, 0, 0], [255, 155, 255]]]


def test_a_cmyk_jpeg_of_adobes_kind_is_not_inverted():
    loaded = load_photograph(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
    assert (loaded[..., 0] > 245).all()
    assert (loaded[..., 1:] < 10).all()


def test_what_is_transparent_is_seen_on_white():
    pixels = np.array([[[*RED, 255], [*RED, 0], [0, 0, 0, 51]]], np.uint8)
    seen = [[list(RED), [255] * 3, [204] * 3]]  # a fifth of black on white
    assert load(Image.fromarray(pixels), "PNG") == seen


def test_transparent_greys_and_palettes_too():
    grey = Image.fromarray(np.array([[[100, 255], [100, 0]]], np.uint8), "LA")
    assert load(grey, "PNG") == [[[100] * 3, [255] * 3]]
    palette = Image.fromarray(np.array([[0, 1]], np.uint8))
    palette.putpalette([*RED, *BLUE])
    assert load(palette, "GIF", transparency=1) == [[list(RED), [255] * 3]]
    colour_key = Image.fromarray(np.array([[RED, BLUE]], np.uint8))
    assert load(colour_key, "PNG", transparency=BLUE) == [[list(RED), [255] * 3]]


@pytest.mark.parametrize(("kind", "order"), [("PNG", "<"), ("TIFF", "<"), ("TIFF", ">")])
def test_of_16_bits_the_higher_eight_are_kept(kind, order):
    deep = np.array([[0, 255, 256, 0x80FF, 65535]], f"{order}u2")
    assert load(Image.fromarray(deep), kind) == [[[n] * 3 for n in (0, 0, 1, 128, 255)]]


def test_16_bits_in_ppm():
    stream = io.BytesIO(b"P5 2 1 65535\n\x80\xff\xff\xff")
    assert load_photograph(stream).tolist() == [[[128] * 3, [255] * 3]]


def test_colours_of_16_bits():
    rows = b"\x00" + struct.pack(">6H", 0x80FF, 0, 65535, 256, 255, 0x4000)
    assert load_photograph(png(2, 1, 16, 2, rows)).tolist() == [[[128, 0, 255], [1, 0, 64]]]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_picture_is_taken(kind):
    frames = [Image.new("RGB", (8, 4), colour) for colour in (RED, BLUE, GREEN)]
    options = {"lossless": True} if kind == "WEBP" else {}
    stream = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(stream).n_frames == 3
    assert (load_photograph(stream) == RED).all()


def test_one_pixel_is_a_photograph():
    assert load(Image.new("RGB", (1, 1), BLUE), "PNG") == [[list(BLUE)]]


def test_an_upload_is_read_from_its_beginning():
    stream = encoded(Image.fromarray(PIXELS), "PNG")
    stream.read()
    assert load_photograph(stream).tolist() == PIXELS.tolist()
    assert not stream.closed


# What cannot be used


def noise(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels), kind).getvalue()


@pytest.mark.parametrize("content", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg/>"])
def test_what_is_no_picture_is_told_what_is_accepted(tmp_path, content):
    file = tmp_path / "a cat.jpg"
    file.write_bytes(content)
    with pytest.raises(
        PhotographError, match=r"a cat\.jpg: not a picture .* accepted are JPEG, PNG"
    ):
        load_photograph(file)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000"])
def test_a_file_that_is_cut_is_damaged(kind):
    content = noise(kind)
    with pytest.raises(PhotographError, match="the photograph: damaged"):
        load_photograph(io.BytesIO(content[: len(content) // 2]))


def test_a_wrong_bit_in_a_png_is_found_by_its_checksum():
    content = bytearray(noise("PNG"))
    content[len(content) // 2] ^= 8
    with pytest.raises(PhotographError, match="the photograph: damaged"):
        load_photograph(io.BytesIO(content))


def test_numbers_without_a_known_range_are_refused():
    with pytest.raises(PhotographError, match="floating-point"):
        load(Image.new("F", (2, 2)), "TIFF")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("width", "height"), [(12_001, 10_000), (2_000_000, 1_000_000)])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(width, height):
    """Of two sizes: more than is accepted here, and more than Pillow accepts."""
    bomb = png(width, height, 8, 0, b"")
    with pytest.raises(PhotographError, match=r"more than 120 megapixels"):
        load_photograph(bomb)


def test_the_limit_itself_is_accepted(monkeypatch):
    monkeypatch.setattr(photograph, "MAX_MEGAPIXELS", 6 / 1_000_000)
    assert load(Image.new("RGB", (3, 2)), "PNG") == [[[0] * 3] * 3] * 2
    with pytest.raises(PhotographError, match="megapixels"):
        load(Image.new("RGB", (7, 1)), "PNG")


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(PhotographError, match=r"none\.jpg: No such file"):
        load_photograph(tmp_path / "none.jpg")
    with pytest.raises(PhotographError, match="Is a directory"):
        load_photograph(Path(tmp_path))


def test_a_jpeg_of_endless_scans_is_refused_before_it_takes_an_hour():
    content = encoded(Image.new("L", (64, 64)), "JPEG", progressive=True).getvalue()
    scan = content[content.rfind(b"\xff\xda") : -2]
    with pytest.raises(PhotographError, match="more scans than any photograph"):
        load_photograph(io.BytesIO(content[:-2] + 200 * scan + b"\xff\xd9"))


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_texts_and_profiles_that_unpack_without_end_are_refused(kind):
    body = kind + b"a\0\0" + zlib.compress(bytes(300 * 2**20))
    bomb = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    content = encoded(Image.fromarray(PIXELS), "PNG").getvalue()
    with pytest.raises(PhotographError, match="Decompressed data too large"):
        load_photograph(io.BytesIO(content[:33] + bomb + content[33:]))
