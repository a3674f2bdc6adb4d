"""What an animal can look like, and the 37 breeds as breeds.toml describes them."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

from PIL import ImageColor
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT
from pipeline.sample.brush import Colour, Triple, mix

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
        return self.head or self.body

    @property
    def snout(self) -> Colour:
        return self.muzzle or self.face

    def palette(self) -> tuple[Colour, ...]:
        colours = (getattr(self, field.name) for field in fields(self))
        return tuple(colour for colour in colours if colour)


@dataclass(frozen=True, config=STRICT)
class Face:
    """What tells cats' faces from dogs', in the coordinates of a head (see head.Head)."""

    ear: tuple[float, float]  # where an upright one stands (u), and its radius
    eye: float  # u
    eyes: tuple[tuple[float, float, float, float, float | Colour], ...]
    nose: tuple[float, float]  # v of a flat one, and how much lower a long one is
    leather: tuple[Triple, ...]
    mouth: tuple[tuple[float, float, tuple[tuple[float, float], ...]], ...]


@dataclass(frozen=True, config=STRICT)
class Breed:
    """One breed: its official name, its proportions, the colours its coat and eyes can have.

    Lengths are in units of the depth of the chest (its radius).
    """

    name: str
    species: Literal["cat", "dog"]
    coats: tuple[Coat, ...]
    eyes: tuple[Colour, ...]
    face: Face
    ears: tuple[Triple, ...]  # the path of a hanging ear from its root; empty if ears stand up
    tail: tuple[Triple, ...]  # its path from the root
    wraps: bool  # whether the tail can lie around the feet
    leg: float
    length: float
    head: float
    limb: float
    muzzle: float  # 0 flat, 1 long
    hair: float  # 0 smooth, 1 long
    ear: float
    wrinkles: bool


@cache
def breeds() -> tuple[Breed, ...]:
    """The 37 breeds in their official order: by name, ignoring case."""
    return read_breeds(tomllib.loads(Path(__file__).with_name("breeds.toml").read_text()))


def read_breeds(book: Mapping[str, Any]) -> tuple[Breed, ...]:
    """The breeds of a parsed breeds.toml, sorted by name.

    Raises pydantic's ValidationError for an unknown or missing key or a wrong type, and KeyError
    for a colour, a tail or an ear that the book does not define.
    """
    colours = {name: ImageColor.getrgb(code) for name, code in book["colours"].items()}
    found = []
    for species in ("cat", "dog"):
        for name, own in book[species].items():
            looks = {"name": name, "species": species, **book["defaults"][species], **own}
            looks |= looks.pop("shape", {})
            looks["ears"] = book["ears"][looks["ears"]]
            looks["tail"] = book["tails"][looks["tail"]]
            looks["eyes"] = [colours[eye] for eye in looks["eyes"]]
            looks["coats"] = [
                {part: colours[name] for name, parts in coat.items() for part in parts.split()}
                for coat in looks["coats"]
            ]
            found.append(looks)
    found.sort(key=lambda looks: looks["name"].lower())
    # By way of JSON, whose strict mode takes lists for tuples.
    return TypeAdapter(tuple[Breed, ...]).validate_json(json.dumps(found))
