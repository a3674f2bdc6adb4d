"""What people get of a prediction: marked image files, shares, or the foreground cut out."""

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.core.files import write_file
from pipeline.data.classes import Classes
from pipeline.data.colours import rgb
from pipeline.data.images import size_within, with_palette
from pipeline.deploy.predictor import LONGEST_SIDE, Array
from pipeline.scoring.pictures import overlay

KINDS = ("input", "mask", "palette", "overlay", "confidence")

# PNG texts: the key of the image that a file belongs to, and the parts of the model's identity.
MARK, MODEL_MARK = "petseg.photograph", "petseg.model"

# zlib's quickest level: compression takes most of the time beside the model. An image of 256x256
# takes 4 ms, against 21 ms at level 6, which makes it 5 % smaller.
COMPRESSION = 1

# Nine steps of equal width from black to light yellow.
INFERNO = [
    *map(rgb, ("#000004", "#1b0c41", "#4c0c6b", "#781c6d", "#a52c60")),
    *map(rgb, ("#cf4446", "#ed6925", "#fb9906", "#f7d13d", "#fcffa4")),
]

Drawings = dict[str, Callable[[], Image.Image]]  # by kind

STRIP = 2**20  # pixels of an overlay drawn at a time: drawing takes 20 bytes each


def result_files(out: Path, stem: str) -> dict[str, Path]:
    return {kind: out / f"{stem}.{kind}.png" for kind in KINDS}


def claim_stem(out: Path, path: Path, claimed: dict[str, str]) -> str | None:
    """Choose the stem of the image's result files: its own, or with a digest of its path appended.

    The digest is appended where the plain stem belongs to another image, or to files that are no
    results: only an image's own earlier results are ever overwritten. None if both are taken.
    claimed: the stems taken in this run with their image's key; this one is added.
    """
    key = image_key(path)
    for stem in (path.stem, f"{path.stem}-{key}"):
        folded = stem.casefold()  # some file systems take Cat.png for cat.png
        files = result_files(out, stem).values()
        # Not Path.exists, which raises for a name that is too long: saving reports that.
        owners = [owner(file) for file in files if os.path.exists(file)]  # noqa: PTH110
        if {claimed.get(folded, key), *owners} == {key}:
            claimed[folded] = key
            return stem
    return None


def image_key(image: Path | str) -> str:
    """A short digest of the path, or the address: it tells images of one name apart."""
    place = os.fsencode(real_place(image)) if isinstance(image, Path) else image.encode()
    return hashlib.sha256(place).hexdigest()[:8]


def real_place(image: Path) -> Path:
    """The path without links of folders. One that is itself a link is an image of its own name."""
    return image.parent.resolve() / image.name


def owner(file: Path) -> str | None:
    """The key of the image that a result file belongs to; None if it is no result file."""
    try:
        with Image.open(file, formats=["PNG"]) as image:
            return image.info.get(MARK)
    except Exception:  # decoders raise errors of many kinds; in any case the file is not ours
        return None


def is_result(file: Path) -> bool:
    names = tuple(f".{kind}.png" for kind in KINDS)
    return file.name.endswith(names) and owner(file) is not None


def save_results(
    files: Mapping[str, Path], drawn: Drawings, identity: Mapping[str, object], key: str
) -> dict[str, str]:
    """Write the drawings as the files of their kinds, marked as `png_of` does; return those."""
    # One after the other, each drawn when its turn comes: at 50 megapixels, one takes 200 MB.
    for kind, draw in drawn.items():
        write_file(files[kind], png_of(draw(), identity, key))
    return {kind: str(files[kind]) for kind in drawn}


def draw_results(image: Array, mask: Array, classes: Classes, confidence: Array | None) -> Drawings:
    """What draws each result of an (H, W, 3) uint8 RGB image and its (H, W) uint8 class ids.

    input: the image. mask: the ids themselves, almost black to look at. palette: the same ids in
    the colours of the classes. overlay: the image tinted by class, but for the background.
    confidence: if it is given, (H, W) uint8, its `heat_map`.
    """
    drawn: Drawings = {
        "input": lambda: Image.fromarray(image),
        "mask": lambda: Image.fromarray(mask),
        "palette": lambda: with_palette(mask, classes.palette),
        "overlay": lambda: Image.fromarray(_overlay(image, mask, classes)),
    }
    if confidence is not None:
        drawn["confidence"] = lambda: heat_map(confidence)
    return drawn


def png_of(image: Image.Image, identity: Mapping[str, object], key: str | None = None) -> bytes:
    """The image as a PNG whose texts say the model's identity, and the `image_key` if given."""
    info, stream = PngInfo(), io.BytesIO()
    if key is not None:
        info.add_text(MARK, key)
    for name, value in identity.items():
        if value is not None:
            info.add_text(f"{MODEL_MARK}.{name}", str(value))
    image.save(stream, format="PNG", compress_level=COMPRESSION, pnginfo=info)
    return stream.getvalue()


def heat_map(confidence: Array) -> Image.Image:
    """(H, W) uint8 confidence as an image in 256 colours: light where the model is sure.

    The colours are those of matplotlib's inferno, at most 9 of 255 off: black, violet, yellow.
    """
    places = np.linspace(0, 255, len(INFERNO))
    shades = [np.interp(range(256), places, channel) for channel in zip(*INFERNO, strict=True)]
    return with_palette(confidence, np.stack(shades, axis=1).round().astype(np.uint8).tolist())


def _overlay(image: Array, mask: Array, classes: Classes) -> Array:
    """Draw the overlay in strips: at once it would take 1 GB for 50 megapixels."""
    tinted = np.empty_like(image)
    rows = max(1, STRIP // mask.shape[1])
    for top in range(0, mask.shape[0], rows):
        strip = slice(top, top + rows)
        tinted[strip] = np.asarray(overlay(image[strip], mask[strip], classes))
    return tinted


def reduced(side: int, *arrays: Array) -> list[Array]:
    """An image, and masks of its size, reduced to the longest side."""
    size = size_within(side, *arrays[0].shape[:2])
    ways = (Image.Resampling.BOX, *[Image.Resampling.NEAREST] * (len(arrays) - 1))
    pairs = zip(arrays, ways, strict=True)
    return [np.array(Image.fromarray(array).resize(size, way)) for array, way in pairs]


def class_shares(mask: Array, classes: Classes) -> dict[str, float]:
    """The share in [0, 1] of each class that is there; of (H, W) uint8 class ids."""
    pixels = Image.fromarray(mask).histogram()  # numpy's bincount takes 8 bytes a pixel
    return {
        name: number / mask.size
        for name, number in zip(classes.names, pixels, strict=False)
        if number
    }


def foreground_box(mask: Array, classes: Classes) -> tuple[int, int, int, int] | None:
    """Left, top, and after the last pixel: right, bottom. None without foreground."""
    table = [255 * (value in classes.foreground) for value in range(256)]
    return Image.fromarray(mask).point(table).getbbox()


def cut_out(image: Array, mask: Array, classes: Classes) -> Image.Image:
    """Cut the foreground out of an (H, W, 3) uint8 RGB image by its (H, W) uint8 ids: as RGBA.

    Transparent pixels are black too: nothing of the background stays in the file.
    """
    alpha = opacity(mask, classes)
    return Image.fromarray(np.dstack([np.where(alpha[..., None] > 0, image, 0), alpha]))


def opacity(mask: Array, classes: Classes) -> Array:
    """(H, W) uint8 class ids to (H, W) uint8: 255 on the foreground, 0 where it is not.

    Across the rim, where the two mix, it falls with the distance from the foreground and rises
    with the distance from the rest. Without one of the two, the rim counts as foreground.
    """
    # Imported here: scipy takes as long to load as numpy and PIL together, and predict needs none.
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415

    height, width = mask.shape
    size = size_within(LONGEST_SIDE, height, width)
    reduced = np.array(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    inside = np.isin(reduced, classes.foreground)
    rim = np.isin(reduced, classes.with_role("rim"))
    outside = ~(inside | rim)
    share = (~outside).astype(np.float64)
    if inside.any() and outside.any():
        to_inside = distance_transform_edt(~inside)[rim]
        to_outside = distance_transform_edt(~outside)[rim]
        share[rim] = to_outside / (to_inside + to_outside)
    alpha = Image.fromarray((255 * share).round().astype(np.uint8))
    return np.array(alpha.resize((width, height), Image.Resampling.BILINEAR))
