"""What an animal can look like, and the 37 breeds as breeds.toml describes them."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

from PIL import ImageColor
from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT
from pipeline.sample.brush import Colour, Triple, mix

BOOK = Path(__file__).with_name("breeds.toml")

Species = Literal["cat", "dog"]
Role = Literal["body", "chest", "leg", "tail"]


@dataclass(frozen=True, config=STRICT)
class Coat:
    """Colours by part, each as the part it grows out of if not given, and the marks on top."""

    body: Colour
    head: Colour | None = None
    ears: Colour | None = None
    muzzle: Colour | None = None
    chest: Colour | None = None
    feet: Colour | None = None
    tail: Colour | None = None  # its tip
    # Marks, by their colour:
    blaze: Colour | None = None  # up the nose and the forehead
    points: Colour | None = None  # a dark face, as of the Siamese
    brows: Colour | None = None  # spots above the eyes, and the cheeks
    tabby: Colour | None = None  # stripes, rings on legs and tail
    forehead: Colour | None = None  # the M of tabby cats
    spots: Colour | None = None
    speckle: Colour | None = None
    patches: Colour | None = None
    saddle: Colour | None = None  # the upper half of the trunk
    shade: Colour | None = None  # dark tips towards the back
    brindle: Colour | None = None

    def of(self, role: Role) -> tuple[Colour, Colour]:
        """The colours of a part of the trunk, where it begins and where it ends."""
        ends = {"chest": self.chest, "leg": self.feet, "tail": self.tail}
        end = ends.get(role) or self.body
        return mix(self.body, end, {"leg": 0.0, "tail": 0.3}.get(role, 1.0)), end

    @property
    def face(self) -> Colour:
        """The colour of the skull."""
        return self.head or self.body

    @property
    def snout(self) -> Colour:
        """The colour of the muzzle."""
        return self.muzzle or self.face

    def palette(self) -> tuple[Colour, ...]:
        """All its colours, one for each field that has one."""
        colours = (getattr(self, field.name) for field in fields(self))
        return tuple(colour for colour in colours if colour)


@dataclass(frozen=True, config=STRICT)
class Shape:
    """Proportions; lengths are in units of the depth of the chest (its radius)."""

    ears: tuple[Triple, ...]  # the path of a hanging ear from its root; empty if ears stand up
    tail: tuple[Triple, ...]  # its path from the root
    wraps: bool  # whether it can lie around the feet
    leg: float
    length: float
    head: float
    limb: float
    muzzle: float  # 0 flat, 1 long
    hair: float  # 0 smooth, 1 long
    ear: float
    wrinkles: bool


@dataclass(frozen=True, config=STRICT)
class Breed:
    """One breed: its official name, its looks, and the colours its coat and eyes can have."""

    name: str
    species: Species
    shape: Shape
    coats: tuple[Coat, ...]
    eyes: tuple[Colour, ...]


@cache
def breeds() -> tuple[Breed, ...]:
    """The 37 breeds in their official order: by name, ignoring case."""
    return read_breeds(tomllib.loads(BOOK.read_text()))


def read_breeds(book: Mapping[str, Any]) -> tuple[Breed, ...]:
    """The breeds of a parsed breeds.toml, sorted by name.

    Raises pydantic's ValidationError for an unknown or missing key or a wrong type, and KeyError
    for a colour, a kind of coat, a tail or an ear that the book does not define.
    """
    colours = {name: ImageColor.getrgb(code) for name, code in book["colours"].items()}
    found = []
    for species in ("cat", "dog"):
        usual = book["defaults"][species]
        for name, own in book[species].items():
            shape = usual["shape"] | own.get("shape", {})
            shape["ears"] = tuple(map(tuple, book["ears"][shape["ears"]]))
            shape["tail"] = tuple(map(tuple, book["tails"][shape["tail"]]))
            looks = usual | own | {"shape": Shape(**shape)}
            looks["coats"] = tuple(_coat(coat, book["kinds"], colours) for coat in own["coats"])
            looks["eyes"] = tuple(colours[eye] for eye in looks["eyes"])
            found.append(Breed(name, species, **looks))
    return tuple(sorted(found, key=lambda breed: breed.name.lower()))


def _coat(entry: Mapping[str, Any], kinds: Mapping[str, Any], colours: Mapping[str, Any]) -> Coat:
    """A coat: the parts of its kind, if it has one, with its own on top."""
    parts: dict[str, str] = {}
    for key, value in entry.items():
        if isinstance(value, list):  # a kind, with the colours for its numbers
            kind = kinds[key].items()
            parts |= {part: value[c - 1] if isinstance(c, int) else c for part, c in kind}
        else:
            parts[key] = value
    return Coat(**{part: colours[name] for part, name in parts.items()})
