"""Images of every kind that people have become upright RGB, or are refused by name."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from pictures import assert_same_stream_from_python, encoded, heic
from PIL import Image
from tiny_pets import PETS

from pipeline.core.terminal import UserError
from pipeline.data import images
from pipeline.data.images import (
    ImageError,
    Problem,
    decode_image,
    follow_scans,
    load_image,
    load_mask,
    open_image,
    save_mask,
)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
# Three wide and two high: no two turns of it are alike.
PIXELS = np.array([[RED, GREEN, BLUE], [WHITE, WHITE, RED]], np.uint8)


def read(content):
    return decode_image(io.BytesIO(content))


def decode(image, kind, **options):
    return read(encoded(image, kind, **options)).tolist()


def png(width, height, depth, colour_type, rows):
    """A PNG of bytes that are already filtered rows, for what Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def chunk(kind, body):
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def refusal(content):
    """The problem and the message of a file that cannot be used."""
    with pytest.raises(ImageError) as caught:
        read(content)
    return caught.value.problem, str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_the_content_decides_the_format_not_the_name(tmp_path, kind):
    file = tmp_path / "photograph.jpg"
    Image.fromarray(PIXELS).save(file, kind)
    decoded = decode_image(file)
    assert decoded.dtype == np.uint8
    assert decoded.tolist() == PIXELS.tolist()
    upload = io.BytesIO(file.read_bytes())
    upload.read()  # it is read from its beginning
    assert decode_image(upload).tolist() == PIXELS.tolist()
    assert not upload.closed


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_image_of_an_animation_is_taken(kind):
    frames = [Image.new("RGB", (8, 4), colour) for colour in (RED, BLUE, GREEN)]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(content)).n_frames == 3
    assert (read(content) == RED).all()


# From EXIF's table: what makes the stored image upright.
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


# Blocks, since some formats smear single pixels.
BLOCKS = PIXELS.repeat(32, axis=0).repeat(32, axis=1)
OPTIONS = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_an_image_is_turned_upright_once(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = read(encoded(BLOCKS, kind, exif=exif, **OPTIONS.get(kind, {}))).astype(int)
    assert np.abs(turned - UPRIGHT[orientation](BLOCKS)).max() <= 4


@pytest.mark.parametrize("tile_size", [0, 64])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_telephones_heic_is_turned_once(orientation, tile_size):
    turned = read(heic(BLOCKS, orientation, tile_size=tile_size)).astype(int)
    upright = UPRIGHT[orientation](BLOCKS)
    assert turned.shape == upright.shape
    assert np.abs(turned - upright).max() <= 4


def test_a_heic_of_ten_bits_and_transparency():
    deep = heic(BLOCKS.astype(np.uint16) * 257, mode="RGB;16")
    assert np.abs(read(deep).astype(int) - BLOCKS).max() <= 4
    glass = np.dstack([BLOCKS, np.full(BLOCKS.shape[:2], 255, np.uint8)])
    glass[:, :32, 3] = 0
    seen = BLOCKS.copy()
    seen[:, :32] = 255
    assert np.abs(read(heic(glass)).astype(int) - seen).max() <= 4


@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0not TIFF"])
def test_damaged_exif_does_not_spoil_the_pixels(exif):
    assert decode(Image.fromarray(PIXELS), "PNG", exif=exif) == PIXELS.tolist()


def test_grey_and_one_bit_images_get_three_equal_channels():
    grey = Image.fromarray(np.array([[0, 100, 255]], np.uint8))
    assert decode(grey, "PNG") == [[[0] * 3, [100] * 3, [255] * 3]]
    one_bit = Image.fromarray(np.array([[True, False]]))
    assert decode(one_bit, "PNG") == [[[255] * 3, [0] * 3]]


def test_cmyk_becomes_rgb():
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255], [0, 100, 0, 0]]], np.uint8)
    decoded = decode(Image.fromarray(inks, "CMYK"), "TIFF")
    assert decoded == [[[255, 255, 255], [0, 255, 255], [0, 0, 0], [255, 155, 255]]]
    adobe = read(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
    assert np.abs(adobe.astype(int) - RED).max() < 10  # and not inverted


def test_transparent_parts_are_white_in_every_mode():
    pixels = np.array([[[*RED, 255], [*RED, 0], [0, 0, 0, 51]]], np.uint8)
    seen = [[list(RED), [255] * 3, [204] * 3]]  # a fifth of black on white
    assert decode(Image.fromarray(pixels), "PNG") == seen
    grey = Image.fromarray(np.array([[[100, 255], [100, 0]]], np.uint8), "LA")
    assert decode(grey, "PNG") == [[[100] * 3, [255] * 3]]
    palette = Image.fromarray(np.array([[0, 1]], np.uint8))
    palette.putpalette([*RED, *BLUE])
    assert decode(palette, "GIF", transparency=1) == [[list(RED), [255] * 3]]
    colour_key = Image.fromarray(np.array([[RED, BLUE]], np.uint8))
    assert decode(colour_key, "PNG", transparency=BLUE) == [[list(RED), [255] * 3]]


@pytest.mark.parametrize(("kind", "order"), [("PNG", "<"), ("TIFF", "<"), ("TIFF", ">")])
def test_the_higher_eight_of_16_bits_are_kept(kind, order):
    deep = np.array([[0, 255, 256, 0x80FF, 65535]], f"{order}u2")
    assert decode(Image.fromarray(deep), kind) == [[[n] * 3 for n in (0, 0, 1, 128, 255)]]
    rows = b"\x00" + struct.pack(">6H", 0x80FF, 0, 65535, 256, 255, 0x4000)
    assert read(png(2, 1, 16, 2, rows)).tolist() == [[[128, 0, 255], [1, 0, 64]]]


NOISE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg/>", b"P3 1 1 9 1 2 3"]
)
def test_the_message_for_another_format_says_what_is_accepted(tmp_path, content):
    """Pillow would hand an EPS file to Ghostscript, whatever it is called."""
    file = tmp_path / "a cat.jpg"
    file.write_bytes(content)
    with pytest.raises(ImageError, match=r"a cat\.jpg: not a picture .* accepted are JPEG, PNG"):
        decode_image(file)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_file_cut_short_is_damaged(kind):
    content = encoded(NOISE, kind)
    problem, message = refusal(content[: len(content) // 2])
    assert problem == Problem.DAMAGED
    assert message.startswith("the photograph: damaged")


@pytest.mark.parametrize("tile_size", [0, 64])
def test_a_heic_cut_short_anywhere_is_refused_not_filled_with_black(tile_size):
    content = heic(BLOCKS, tile_size=tile_size)
    for end in [*range(12, len(content), 97), len(content) - 1]:
        refusal(content[:end])


def test_thumbnails_and_what_else_lies_beside_a_heic_are_left_alone():
    image = open_image(io.BytesIO(heic(BLOCKS, thumbnails=[32, 16])))
    assert (image.size, image.format) == (BLOCKS.shape[1::-1], "HEIF")
    assert image.info["thumbnails"] == image.info["depth_images"] == []


def test_a_wrong_bit_in_a_png_and_floating_point_pixels_are_refused():
    content = bytearray(encoded(NOISE))
    content[len(content) // 2] ^= 8
    assert refusal(content)[0] == Problem.DAMAGED
    problem, message = refusal(encoded(Image.new("F", (2, 2)), "TIFF"))
    assert problem == Problem.COLOURS
    assert "floating-point" in message


@pytest.mark.parametrize(
    ("width", "height", "limit"),
    [
        (12_001, 10_000, "120 megapixels"),
        (2_000_000, 1_000_000, "120 megapixels"),  # also above the limit where Pillow raises
        (1, 65_536, "65,535 pixels"),  # each row takes memory, and resizing works row by row
    ],
)
def test_a_decompression_bomb_is_refused(width, height, limit):
    problem, message = refusal(png(width, height, 8, 0, b""))
    assert problem == Problem.TOO_LARGE
    assert f"more than {limit}" in message


def test_the_limit_itself_passes(monkeypatch):
    monkeypatch.setattr(images, "MAX_MEGAPIXELS", 6 / 1_000_000)
    assert decode(Image.new("RGB", (3, 2)), "PNG") == [[[0] * 3] * 3] * 2  # the limit itself
    with pytest.raises(ImageError, match="megapixels"):
        decode(Image.new("RGB", (7, 1)), "PNG")


def test_a_huge_or_unreadable_file_is_refused(tmp_path):
    (tmp_path / "huge.jpg").touch()
    os.truncate(tmp_path / "huge.jpg", 2**40)
    with pytest.raises(ImageError, match=r"huge\.jpg: more than 256 MB"):
        decode_image(tmp_path / "huge.jpg")
    with pytest.raises(UserError, match=r"none\.jpg: No such file"):
        decode_image(tmp_path / "none.jpg")
    with pytest.raises(UserError, match="Is a directory"):
        decode_image(tmp_path)


def test_a_jpeg_of_endless_scans_is_refused():
    content = encoded(Image.new("L", (64, 64)), "JPEG", progressive=True)
    scan = content[content.rfind(b"\xff\xda") : -2]
    few, many = (content[:-2] + count * scan + b"\xff\xd9" for count in (50, 100))
    assert read(few).shape == (64, 64, 3)
    problem, message = refusal(many)
    assert problem == Problem.TOO_LARGE
    assert "more scans than any photograph" in message


def test_scans_of_a_large_jpeg_and_segments_of_any_are_counted_before_decoding():
    content = encoded(Image.new("L", (6000, 4000)), "JPEG", progressive=True)
    scan = content[content.rfind(b"\xff\xda") : -2]
    assert "more scans" in refusal(content[:-2] + 60 * scan + b"\xff\xd9")[1]  # 24 megapixels each
    exif = b"\xff\xe1\0\x0aExif\0\0ab"
    assert "more segments" in refusal(content[:2] + 1001 * exif + content[2:])[1]


def test_bytes_like_scans_outside_the_image_do_not_count():
    """Phones append a film to a photograph, and put any bytes into segments of their own."""
    grey = Image.fromarray(np.arange(1536, dtype=np.uint8).reshape(32, 48))
    content = encoded(grey, "JPEG", progressive=True)
    scans = content.count(b"\xff\xda")  # in a small grey image, none of these bytes by chance
    like_scans = 200 * b"\xff\xda\x12\x34"
    segment = b"\xff\xe5" + (2 + len(like_scans)).to_bytes(2) + like_scans
    of_a_telephone = content[:2] + segment + content[2:] + like_scans
    assert follow_scans(content) == follow_scans(of_a_telephone) == (scans, True)
    assert scans > 1
    assert open_image(io.BytesIO(of_a_telephone)).size == (48, 32)
    assert follow_scans(content[:-2]) == (scans, False)


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_texts_and_profiles_that_unpack_to_any_size_are_refused(kind):
    bomb = chunk(kind, b"a\0\0" + zlib.compress(bytes(300 * 2**20)))
    content = encoded(PIXELS)
    assert "Decompressed data too large" in refusal(content[:33] + bomb + content[33:])[1]


@pytest.mark.parametrize("arrange", [np.asarray, np.sort, np.zeros_like])
@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (1000, 700)])
def test_a_mask_survives_saving_and_does_not_depend_on_the_zlib_build(tmp_path, shape, arrange):
    mask = arrange(np.random.default_rng(0).integers(0, 3, shape, dtype=np.uint8))
    save_mask(tmp_path / "mask.png", mask, PETS.palette)
    loaded = load_mask(tmp_path / "mask.png")
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, mask)
    np.testing.assert_array_equal(load_image(tmp_path / "mask.png"), np.array(PETS.palette)[mask])
    assert_same_stream_from_python((tmp_path / "mask.png").read_bytes())
