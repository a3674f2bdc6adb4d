import io
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded, heic
from PIL import Image
from tiny_pets import OXFORD

from pipeline.core.params import check_values
from pipeline.data.classes import IGNORE
from pipeline.data.description import Description
from pipeline.data.images import MAX_OPENED_MEGAPIXELS, decode_image, load_image
from pipeline.ingest.checks import MaskValues, Pair, UnusableError, check_pair, mask_values
from pipeline.ingest.vocabulary import Note, Reason

WIDTH, HEIGHT = 48, 32
TRIMAP = mask_values(OXFORD)


def smooth(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A picture that JPEG keeps nearly as it is: (height, width, 3), no two corners alike."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4, y * 4, 250 - x * 2 - y * 2], axis=2).astype(np.uint8)


def jpeg(picture: Image.Image, **options) -> bytes:
    return encoded(picture, "JPEG", quality=95, subsampling=0, **options)


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
    data = values if isinstance(values, bytes) else encoded(values)
    (tmp_path / "image.jpg").write_bytes(image)
    (tmp_path / "mask.png").write_bytes(data)
    return check_pair(tmp_path / "image.jpg", tmp_path / "mask.png", TRIMAP)


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
    assert (pair.image.size, pair.image.mode) == ((WIDTH, HEIGHT), "RGB")
    assert check(tmp_path, rotated_jpeg(Image.fromarray(smooth()), 1)).notes == ()


DEEP = smooth()[..., 0].astype(np.uint16)
SEE_THROUGH = Image.fromarray(np.dstack([smooth(), smooth()[..., 0] + 50]))  # alpha of 50 to 238


def transparent_palette() -> bytes:
    """A GIF whose left half is transparent."""
    image = Image.fromarray(np.repeat([[0] * 24 + [1] * 24], HEIGHT, axis=0).astype(np.uint8))
    image.putpalette([255, 0, 0, 0, 0, 255])
    return encoded(image, "GIF", transparency=0)


ODD = {
    "grey with alpha": (
        encoded(SEE_THROUGH.convert("LA")),
        [Note.PNG, Note.GRAYSCALE, Note.ALPHA],
    ),
    "16 bits, big-endian": (
        encoded((DEEP * 257).astype(">u2"), "TIFF"),
        [Note.OTHER_FORMAT, Note.DEEP],
    ),
    "12 bits in 16": (
        encoded(DEEP * 16),
        [Note.PNG, Note.TWELVE_BITS],
    ),
    "CMYK": (jpeg(Image.fromarray(smooth()).convert("CMYK")), [Note.CMYK]),
    "transparent palette": (transparent_palette(), [Note.GIF, Note.PALETTE, Note.ALPHA]),
    "telephone": (heic(np.rot90(smooth()), 6, quality=100), [Note.OTHER_FORMAT]),
    "orientation": (rotated_jpeg(Image.fromarray(smooth(HEIGHT, WIDTH)), 6), [Note.ROTATED]),
}


@pytest.mark.parametrize(("data", "notes"), ODD.values(), ids=ODD)
def test_an_odd_image_is_stored_as_the_model_would_see_it(tmp_path, data, notes):
    pair = check(tmp_path, data)
    assert list(pair.notes) == notes
    (tmp_path / "stored.jpg").write_bytes(pair.jpeg)
    stored = load_image(tmp_path / "stored.jpg")
    with Image.open(tmp_path / "stored.jpg") as image:
        assert (image.format, image.mode, len(image.getexif())) == ("JPEG", "RGB", 0)
    np.testing.assert_array_equal(np.asarray(pair.image), stored)
    served = decode_image(tmp_path / "image.jpg").astype(int)
    assert served.shape == stored.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(served - stored).max() <= 8


@pytest.mark.parametrize("orientation", [3, 6])
def test_an_orientation_that_does_not_fit_the_mask_is_dropped(tmp_path, orientation):
    pair = check(tmp_path, rotated_jpeg(Image.fromarray(smooth()), orientation))
    assert pair.notes == (Note.NOT_ROTATED,)
    assert Image.open(io.BytesIO(pair.jpeg)).getexif().get(0x0112) is None
    np.testing.assert_allclose(np.asarray(pair.image), smooth(), atol=6)


def test_of_several_pages_the_first_is_used_and_it_is_noted(tmp_path):
    pages = [Image.fromarray(smooth()), Image.fromarray(NOISE)]
    stream = io.BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:])
    pair = check(tmp_path, stream.getvalue())
    assert pair.notes == (Note.OTHER_FORMAT, Note.PAGES)
    np.testing.assert_allclose(np.asarray(pair.image), smooth(), atol=6)


@pytest.mark.parametrize("tail", [b"", b"\0"], ids=["cut", "zeroed"])
def test_a_jpeg_without_its_end_is_truncated(tmp_path, tail):
    data = jpeg(Image.fromarray(NOISE))
    short = data[: int(len(data) * 0.6)] + tail * int(len(data) * 0.4)
    assert reason(tmp_path, short) == (Reason.TRUNCATED, "image.jpg")
    exif = b"Exif\0\0" + PLAIN  # not a valid EXIF block, but a whole JPEG inside one
    data = jpeg(Image.fromarray(smooth()), exif=exif)
    assert data.count(b"\xff\xd9") == 2
    assert reason(tmp_path, data[:-2]) == (Reason.TRUNCATED, "image.jpg")


@pytest.mark.parametrize("size", [(10_000, MAX_OPENED_MEGAPIXELS * 100 + 1), (65_501, 1)])
def test_too_many_pixels_or_too_long_a_side(tmp_path, size):
    assert reason(tmp_path, encoded(Image.new("1", size))) == (Reason.TOO_LARGE, "image.jpg")


def test_a_mask_must_hold_its_classes_and_have_the_images_size(tmp_path):
    for value in (0, 4, 255):
        values = trimap()
        values[0, 0] = value
        assert reason(tmp_path, PLAIN, values) == (Reason.MASK_VALUES, "mask.png")
    assert reason(tmp_path, PLAIN, smooth()) == (Reason.MASK_CHANNELS, "mask.png")
    assert reason(tmp_path, PLAIN, trimap(WIDTH + 1)) == (Reason.SIZES, "image.jpg")
    sideways = Image.fromarray(smooth(HEIGHT, WIDTH))  # no orientation of it fits
    for image in (jpeg(sideways), rotated_jpeg(sideways, 3)):
        assert reason(tmp_path, image) == (Reason.SIZES, "image.jpg")
    data = encoded(trimap())
    assert reason(tmp_path, PLAIN, data[:-30]) == (Reason.DAMAGED, "mask.png")
    assert reason(tmp_path, PLAIN, b"mask") == (Reason.NOT_A_PICTURE, "mask.png")
    for missing in range(1, 12):  # it lacks nothing but its end
        found, file = reason(tmp_path, PLAIN, data[:-missing])
        assert found in (Reason.TRUNCATED, Reason.DAMAGED)
        assert file == "mask.png"


def meaning(classes: list[list[int | str]], **masks: object) -> MaskValues:
    """Of masks whose classes have these values."""
    entries = [{"name": f"c{n}", "values": values} for n, values in enumerate(classes)]
    layout = {"images": "images/{name}.*", "masks": "masks/{name}.*"}
    rest = {"sources": {"a": {"url": "a.tar"}}, "layout": layout, "masks": masks}
    return mask_values(check_values(rest | {"classes": entries}, Description, Path("a.yaml")))


def in_palette(mask: np.ndarray, *colours: int) -> Image.Image:
    image = Image.fromarray(mask.astype(np.uint8))
    image.putpalette(colours)
    return image


IDS = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
RED, GREEN, BLUE = "#ff0000", "#00ff00", "#0000ff"
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
THREE = meaning([[0], [1], [2]])
IN_COLOURS = meaning([[RED], [GREEN], [BLUE.upper()]])
READ = {  # mask, what its values mean, ids
    "grey": (Image.fromarray(IDS), THREE, IDS),
    "16 bits": (Image.fromarray(IDS.astype(np.uint16) * 300), meaning([[0], [300], [600]]), IDS),
    "palette by index": (in_palette(IDS, 9, 9, 9, 9, 9, 9, 1, 1, 1), THREE, IDS),
    "palette by colour": (in_palette(2 - IDS, 0, 0, 255, 0, 255, 0, 255, 0, 0), IN_COLOURS, IDS),
    "colours": (Image.fromarray(COLOURS[IDS]), IN_COLOURS, IDS),
    "1 bit": (Image.fromarray(IDS == 2), meaning([[0], [1]]), IDS == 2),
    "0 and 255": (Image.fromarray((IDS == 2) * np.uint8(255)), meaning([[0], [255]]), IDS == 2),
    "merged": (Image.fromarray(IDS), meaning([[2], [0, 1]]), IDS != 2),
    "ignored": (
        Image.fromarray(IDS), meaning([[0], [2]], ignore=[1]), [[0, IGNORE, 1], [1, IGNORE, 0]]
    ),
    "ignored colour": (
        Image.fromarray(COLOURS[IDS]), meaning([[RED], [BLUE]], ignore=[GREEN]),
        [[0, IGNORE, 1], [1, IGNORE, 0]],
    ),
    "unknown is ignored": (
        Image.fromarray(IDS), meaning([[0], [7]], unknown="ignore"), np.where(IDS, IGNORE, 0)
    ),
}  # fmt: skip


@pytest.mark.parametrize(("mask", "values", "ids"), READ.values(), ids=READ)
def test_a_mask_is_read_as_the_description_says(tmp_path, mask, values, ids):
    (tmp_path / "mask.png").write_bytes(encoded(mask))
    with Image.open(tmp_path / "mask.png") as opened:
        found = values.read(opened, tmp_path / "mask.png")
    np.testing.assert_array_equal(found, ids)
    assert found.dtype == np.uint8


RGBA = Image.fromarray(COLOURS[IDS]).convert("RGBA")
MANY = Image.fromarray(np.arange(9, dtype=np.uint8)[None])
REFUSED = {  # mask, kind of file, what its values mean, why not, and the values found
    "number": (Image.fromarray(IDS), "PNG", meaning([[0], [1]]), Reason.MASK_VALUES, "0, 1, 2"),
    "many": (MANY, "PNG", THREE, Reason.MASK_VALUES, "0, 1, 2, 3, 4, 5, ..."),
    "1 bit": (Image.fromarray(IDS == 2), "PNG", meaning([[0], [255]]), Reason.MASK_VALUES, "0, 1"),
    "colour": (
        Image.fromarray(COLOURS[IDS]), "PNG", meaning([[RED], [BLUE]]), Reason.MASK_VALUES,
        f"{BLUE}, {GREEN}, {RED}",
    ),
    "colours for numbers": (Image.fromarray(COLOURS[IDS]), "PNG", THREE, Reason.MASK_CHANNELS, ""),
    "nothing known": (
        Image.fromarray(IDS + np.uint8(50)), "PNG", meaning([[0], [7]], unknown="ignore"),
        Reason.MASK_IGNORED, "",
    ),
    "alpha": (RGBA, "PNG", IN_COLOURS, Reason.MASK_ALPHA, ""),
    "JPEG": (Image.fromarray(COLOURS[IDS]), "JPEG", IN_COLOURS, Reason.MASK_JPEG, ""),
}  # fmt: skip


@pytest.mark.parametrize(("mask", "kind", "values", "why", "shown"), REFUSED.values(), ids=REFUSED)
def test_a_mask_that_says_something_else_is_refused_with_what_it_holds(
    tmp_path, mask, kind, values, why, shown
):
    file = tmp_path / "mask.png"
    file.write_bytes(encoded(mask, kind))
    with Image.open(file) as opened, pytest.raises(UnusableError) as caught:
        values.read(opened, file)
    assert (caught.value.reason, caught.value.found) == (why, shown)
