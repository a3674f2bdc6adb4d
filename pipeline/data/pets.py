"""Pets on disk: names, breeds and species, the official lists, photographs and class masks."""

import re
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core.terminal import UserError

# A mask holds the position of its class here: the official trimap value minus one.
CLASSES = ("pet", "background", "border")
PET, BACKGROUND, BORDER = range(len(CLASSES))
# One RGB colour a class, told apart by colour-blind eyes too (Okabe and Ito, and white).
PALETTE = ((230, 159, 0), (0, 114, 178), (255, 255, 255))

_NAME = re.compile(r"[A-Za-z][\w-]*_\w+", re.ASCII)  # breed, underscore, number
_SPECIES_IDS = {"1": "cat", "2": "dog"}


def breed_of(name: str) -> str:
    """The breed in a picture's name: `yorkshire_terrier` of `yorkshire_terrier_12`."""
    return name.rpartition("_")[0]


def species_of(name: str) -> str:
    """`cat` for a name that begins with a capital letter, else `dog`: the official convention."""
    return "cat" if name[0].isupper() else "dog"


def image_path(root: Path, name: str) -> Path:
    """Where the folder that extract writes keeps a photograph."""
    return root / "images" / f"{name}.jpg"


def mask_path(root: Path, name: str) -> Path:
    """Where the folder that extract writes keeps a class mask."""
    return root / "masks" / f"{name}.png"


def read_list(path: Path) -> list[str]:
    """The names of an official list (`trainval.txt`, `test.txt`, `list.txt`), in its order.

    A line is `NAME CLASS-ID SPECIES BREED-ID`; what follows the name may be missing, and lines
    that begin with `#` are comments. Raises UserError, naming file and line, for a missing file,
    a name that is not `BREED_NUMBER`, or a species (1 cat, 2 dog) other than the name's.
    """
    where = f"{path.parent.name}/{path.name}"  # a path inside the archive: it was just extracted
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{where} is missing: the official layout has it") from None
    except UnicodeDecodeError:
        raise UserError(f"{where} is not a text file: expected lines such as 'Bengal_1'") from None
    return [
        _listed_name(line.split(), f"{where}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    ]


def _listed_name(columns: list[str], where: str) -> str:
    name = columns[0]
    if not _NAME.fullmatch(name):
        raise UserError(f"{where}: {name!r} is not a name such as 'Bengal_1' or 'beagle_12'")
    if len(columns) > 2 and _SPECIES_IDS.get(columns[2]) != species_of(name):
        raise UserError(
            f"{where}: species {columns[2]!r} does not fit the name {name!r};"
            " accepted is 1 for a cat (capital first letter), 2 for a dog"
        )
    return name


def load_image(path: Path) -> np.ndarray:
    """The photograph as (H, W, 3) uint8 RGB, as stored: EXIF rotation is not applied."""
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def load_mask(path: Path) -> np.ndarray:
    """The mask as (H, W) uint8 class ids, the positions in CLASSES."""
    with Image.open(path) as image:
        return np.array(image)


def save_mask(path: Path, mask: np.ndarray) -> None:
    """Write (H, W) uint8 class ids as a PNG with the PALETTE, so that it can be looked at."""
    # Run-length compression leaves deflate no choice: every zlib build writes the same bytes.
    with_palette(mask).save(path, format="PNG", compress_type=zlib.Z_RLE)


def with_palette(mask: np.ndarray) -> Image.Image:
    """(H, W) uint8 class ids as a picture that holds these ids and shows the PALETTE's colours."""
    image = Image.fromarray(mask)
    image.putpalette(np.array(PALETTE, dtype=np.uint8).tobytes())
    return image
