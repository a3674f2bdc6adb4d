"""What people get of a prediction: four marked image files, or the pet cut out."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.core.files import atomic_file
from pipeline.data.images import size_within, with_palette
from pipeline.data.pairs import BACKGROUND, BORDER, PET
from pipeline.deploy.predictor import LONGEST_SIDE, Array
from pipeline.scoring.pictures import overlay

KINDS = ("input", "mask", "palette", "overlay")

MARK = "petseg.photograph"  # the PNG text that holds the key of the image it belongs to

# zlib's quickest level: compression takes most of the time beside the model. An image of 256x256
# takes 4 ms, against 21 ms at level 6, which makes it 5 % smaller.
COMPRESSION = 1

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


def image_key(path: Path) -> str:
    """A short digest of the resolved path: it tells images of the same name apart."""
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:8]


def owner(file: Path) -> str | None:
    """The key of the image that a result file belongs to; None if it is no result file."""
    try:
        with Image.open(file, formats=["PNG"]) as image:
            return image.info.get(MARK)
    except Exception:  # decoders raise errors of many kinds; in any case the file is not ours
        return None


def is_result(file: Path) -> bool:
    return file.name.endswith(tuple(f".{kind}.png" for kind in KINDS)) and owner(file) is not None


def save_results(files: Mapping[str, Path], image: Array, mask: Array, key: str) -> None:
    """Write an (H, W, 3) uint8 RGB image and its (H, W) uint8 class ids as `result_files`.

    input: the image. mask: the ids themselves, almost black to look at. palette: the same ids in
    the PALETTE's colours. overlay: pet and border tinted on the image.
    """
    # One after the other: at 50 megapixels, each takes 200 MB of memory.
    _save(files["input"], Image.fromarray(image), key)
    _save(files["mask"], Image.fromarray(mask), key)
    _save(files["palette"], with_palette(mask), key)
    _save(files["overlay"], Image.fromarray(_overlay(image, mask)), key)


def _save(file: Path, image: Image.Image, key: str) -> None:
    mark = PngInfo()
    mark.add_text(MARK, key)
    with atomic_file(file) as temporary:
        image.save(temporary, format="PNG", compress_level=COMPRESSION, pnginfo=mark)


def _overlay(image: Array, mask: Array) -> Array:
    """Draw the overlay in strips: at once it would take 1 GB for 50 megapixels."""
    tinted = np.empty_like(image)
    rows = max(1, STRIP // mask.shape[1])
    for top in range(0, mask.shape[0], rows):
        strip = slice(top, top + rows)
        tinted[strip] = np.asarray(overlay(image[strip], mask[strip]))
    return tinted


def cut_out(image: Array, mask: Array) -> Image.Image:
    """Cut the pet out of an (H, W, 3) uint8 RGB image by its (H, W) uint8 class ids: an RGBA image.

    Transparent pixels are black too: nothing of the background stays in the file.
    """
    alpha = opacity(mask)
    return Image.fromarray(np.dstack([np.where(alpha[..., None] > 0, image, 0), alpha]))


def opacity(mask: Array) -> Array:
    """(H, W) uint8 class ids to (H, W) uint8: 255 on the pet, 0 on the background.

    Across the border, where fur and background mix, it falls with the distance from the pet and
    rises with the distance from the background. Without one of the two, the border counts as pet.
    """
    # Imported here: scipy takes as long to load as numpy and PIL together, and predict needs none.
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415

    height, width = mask.shape
    size = size_within(LONGEST_SIDE, height, width)  # no mask is finer than that
    reduced = np.array(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    share = (reduced != BACKGROUND).astype(np.float64)
    border = reduced == BORDER
    if (reduced == PET).any() and (reduced == BACKGROUND).any():
        to_pet = distance_transform_edt(reduced != PET)[border]
        to_background = distance_transform_edt(reduced != BACKGROUND)[border]
        share[border] = to_background / (to_pet + to_background)
    alpha = Image.fromarray((255 * share).round().astype(np.uint8))
    return np.array(alpha.resize((width, height), Image.Resampling.BILINEAR))
