"""The data set: its classes, names, breeds and species, its official lists, its files on disk."""

import codecs
import csv
import re
from pathlib import Path

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError, track

# A mask holds the position of its class here: the official trimap value minus one.
CLASSES = ("pet", "background", "border")
PET, BACKGROUND, BORDER = range(len(CLASSES))
# One RGB colour a class, told apart by colour-blind eyes too (Okabe and Ito, and white).
PALETTE = ((230, 159, 0), (0, 114, 178), (255, 255, 255))

_NAME = re.compile(r"[A-Za-z][\w-]*_\w+", re.ASCII)  # breed, underscore, number
_SPECIES_IDS = {"1": "cat", "2": "dog"}


def breed_of(name: str) -> str:
    """The breed in an image's name: `yorkshire_terrier` of `yorkshire_terrier_12`."""
    return name.rpartition("_")[0]


def species_of(name: str) -> str:
    """`cat` if the name begins with a capital letter, else `dog`: the official convention."""
    return "cat" if name[0].isupper() else "dog"


def image_path(root: Path, name: str) -> Path:
    """The image `name` in the folder that extract writes."""
    return root / "images" / f"{name}.jpg"


def mask_path(root: Path, name: str) -> Path:
    """The class mask `name` in the folder that extract writes."""
    return root / "masks" / f"{name}.png"


def read_list(path: Path) -> list[str]:
    """The names of an official list (`trainval.txt`, `test.txt`, `list.txt`), in its order.

    A line is `NAME CLASS-ID SPECIES BREED-ID`, where only the name is required, with or without a
    suffix; lines that begin with `#` are comments. The file is in UTF-8, or in UTF-16 with its
    mark. Raises UserError, naming file and line, for a missing file, a name that is not
    `BREED_NUMBER`, or a species (1 cat, 2 dog) other than the name's.
    """
    where = f"{path.parent.name}/{path.name}"  # a path inside the archive: it was just extracted
    try:
        text = path.read_bytes()
        marked = text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        lines = text.decode("utf-16" if marked else "utf-8-sig").splitlines()
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
    name = re.sub(r"\.(jpe?g|png)$", "", columns[0], flags=re.IGNORECASE)
    if not _NAME.fullmatch(name):
        raise UserError(f"{where}: {name!r} is not a name such as 'Bengal_1' or 'beagle_12'")
    if len(columns) > 2 and _SPECIES_IDS.get(columns[2]) != species_of(name):
        raise UserError(
            f"{where}: species {columns[2]!r} does not fit the name {name!r};"
            " accepted is 1 for a cat (capital first letter), 2 for a dog"
        )
    return name


def changed_files(pets: Path) -> dict[Path, tuple[str, str]]:
    """The images and masks whose sha256 is not the one in index.csv: (expected, found).

    A file that is gone counts with "missing" as found.
    """
    with (pets / "index.csv").open(newline="", encoding="utf-8") as index:
        expected = {
            path(pets, row["name"]): row[f"{kind}_sha256"]
            for row in csv.DictReader(index)
            for kind, path in (("image", image_path), ("mask", mask_path))
        }
    changed = {}
    with track(expected.items(), f"checking {pets}", len(expected)) as tracked:
        for file, digest in tracked:
            found = file_digest(file) if file.is_file() else "missing"
            if found != digest:
                changed[file] = digest, found
    return changed
