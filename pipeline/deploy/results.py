"""What a prediction leaves in a folder: four pictures a photograph, marked with whose they are."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.core.files import atomic_file
from pipeline.core.terminal import UserError
from pipeline.data.images import with_palette
from pipeline.scoring.pictures import overlay

KINDS = ("input", "mask", "palette", "overlay")

MARK = "petseg.photograph"  # the PNG's text that holds the key of its photograph

# Of zlib's levels the quickest, since these are most of the time spent beside the model: a picture
# of 256x256 takes 4 ms, and 21 ms at level 6, which makes it 5 % smaller.
COMPRESSION = 1

STRIP = 2**20  # pixels of an overlay in the making, which takes 20 bytes for each


def result_files(out: Path, stem: str) -> dict[str, Path]:
    """The four files by KINDS."""
    return {kind: out / f"{stem}.{kind}.png" for kind in KINDS}


def claim_stem(out: Path, photograph: Path, claimed: dict[str, str]) -> str:
    """The stem of the photograph's result files: its own, or with a digest of its path behind it.

    With the digest where files of the plain stem belong to another photograph, or to no one that is
    known: nothing but a photograph's earlier results is ever overwritten. claimed: stems taken in
    this run, and by which key; this one is added. Raises UserError if both are taken.
    """
    key = photograph_key(photograph)
    for stem in (photograph.stem, f"{photograph.stem}-{key}"):
        folded = stem.casefold()  # some file systems take Cat.png for cat.png
        present = [file for file in result_files(out, stem).values() if file.exists()]
        if {claimed.get(folded, key), *map(owner, present)} == {key}:
            claimed[folded] = key
            return stem
    raise UserError(f"{photograph}: {out} has other files of the names of its results: move them")


def photograph_key(photograph: Path) -> str:
    """What tells photographs of the same name apart: a short digest of the path."""
    return hashlib.sha256(os.fsencode(photograph.resolve())).hexdigest()[:8]


def owner(file: Path) -> str | None:
    """The key of the photograph that a result file is of; None if it is no result file."""
    try:
        with Image.open(file, formats=["PNG"]) as image:
            return image.info.get(MARK)
    except Exception:  # the decoders raise errors of many kinds; whatever it is, it is not ours
        return None


def is_result(file: Path) -> bool:
    """Whether it is one of the pictures that predictions are written as."""
    return file.name.endswith(tuple(f".{kind}.png" for kind in KINDS)) and owner(file) is not None


def save_results(
    files: Mapping[str, Path], photograph: NDArray[np.uint8], mask: NDArray[np.uint8], key: str
) -> None:
    """Write (H, W, 3) uint8 RGB and its (H, W) uint8 class ids as `result_files`.

    input: the photograph. mask: the ids themselves, almost black to look at. palette: the same ids
    in the PALETTE's colours. overlay: pet and border tinted on the photograph.
    """
    # One after the other: of 50 megapixels, each is 200 MB in memory.
    _save(files["input"], Image.fromarray(photograph), key)
    _save(files["mask"], Image.fromarray(mask), key)
    _save(files["palette"], with_palette(mask), key)
    _save(files["overlay"], Image.fromarray(_overlay(photograph, mask)), key)


def _save(file: Path, picture: Image.Image, key: str) -> None:
    mark = PngInfo()
    mark.add_text(MARK, key)
    with atomic_file(file) as temporary:
        picture.save(temporary, format="PNG", compress_level=COMPRESSION, pnginfo=mark)


def _overlay(photograph: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The overlay, made in strips: at once it would take 1 GB for 50 megapixels."""
    tinted = np.empty_like(photograph)
    rows = max(1, STRIP // mask.shape[1])
    for top in range(0, mask.shape[0], rows):
        strip = slice(top, top + rows)
        tinted[strip] = np.asarray(overlay(photograph[strip], mask[strip]))
    return tinted
