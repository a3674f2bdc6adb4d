"""The decoded images: written once for each list and size, then mapped into memory by trainings.

The files lie outside DVC's outputs, in .cache/pictures of the repository, named by a digest of
everything their bytes depend on. They can be deleted at any time.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor

from pipeline.core.files import atomic_folder, file_digest
from pipeline.core.layout import cache_folder, cores
from pipeline.core.terminal import UserError, track
from pipeline.data import images, pairs, transforms

CHUNK = 256  # pairs in memory at a time while the files are written

Load = Callable[[str], NDArray[np.uint8]]  # from the name of a pair to its image or mask


@dataclass(frozen=True)
class Pictures:
    """The pairs of a list at one square size, on disk; the system reads what is used.

    images: (N, 3, S, S) uint8 RGB. masks: (N, S, S) uint8 class ids. key: digest of the content.
    """

    images: Tensor
    masks: Tensor
    key: str


def open_pictures(
    folder: Path, names: Sequence[str], size: int, reviewed: Path | None = None
) -> Pictures:
    """Map the named pairs of the data set in `folder`, stretched to size x size, into memory.

    `reviewed`: a folder whose images and masks come before those of `folder`.
    The first process that asks decodes them; others wait for it. Raises UserError if an image is
    missing, or the disk is full; no half-written file is left.
    """
    key = content_key(folder, names, size, reviewed)
    cache = cache_folder("pictures") / key[:32]
    with FileLock(f"{cache}.lock"):
        if not cache.exists():
            try:
                with atomic_folder(cache) as made:
                    _write_pictures(made, [*filter(None, [reviewed]), folder], names, size)
                    os.sync()  # before it has its name: a power cut leaves all of it or nothing
            except (OSError, UserError) as error:
                raise UserError(f"{folder} was not decoded into {cache.parent}: {error}") from None
    # Copy-on-write: torch wants memory that it may write to; the files stay as they are.
    pixels, ids = (np.load(cache / f"{kind}.npy", mmap_mode="c") for kind in ("images", "masks"))
    return Pictures(torch.from_numpy(pixels), torch.from_numpy(ids), key)


def content_key(folder: Path, names: Sequence[str], size: int, reviewed: Path | None = None) -> str:
    """A digest of all that decides the bytes: index.csv (of digests), the list, size and code."""
    changed = sorted(reviewed.glob("*/*")) if reviewed else []
    code = [file_digest(Path(str(module.__file__))) for module in (images, pairs, transforms)]
    versions = [np.__version__, PIL.__version__, torch.__version__]
    parts = [size, code, versions, file_digest(folder / "index.csv"), names]
    parts += [(file.parent.name, file.name, file_digest(file)) for file in changed]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _write_pictures(cache: Path, folders: Sequence[Path], names: Sequence[str], size: int) -> None:
    def image(name: str) -> NDArray[np.uint8]:
        pixels = torch.from_numpy(pairs.image_of(name, *folders))
        return transforms.resize_image(pixels.permute(2, 0, 1)[None], size)[0].numpy()

    def mask(name: str) -> NDArray[np.uint8]:
        loaded = torch.from_numpy(pairs.mask_of(name, *folders))
        return transforms.resize_mask(loaded, size).numpy()

    _write_array(cache / "images.npy", image, names, (3, size, size))
    _write_array(cache / "masks.npy", mask, names, (size, size))


def _write_array(file: Path, load: Load, names: Sequence[str], shape: tuple[int, ...]) -> None:
    """Stream load(name) of all names into one .npy: a full disk is then an error, not a crash."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(names), *shape)}
    chunks = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
    with file.open("wb") as stream, ThreadPoolExecutor(cores()) as pool:  # decoding frees the GIL
        np.lib.format.write_array_header_1_0(stream, header)
        arrays = (array for chunk in chunks for array in pool.map(load, chunk))
        with track(arrays, f"decoding {file.stem}", len(names)) as tracked:
            for array in tracked:
                stream.write(np.ascontiguousarray(array).data)
