"""What an animal can look like, and the 37 breeds as breeds.toml describes them."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from PIL import ImageColor
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT, check_values
from pipeline.sample.brush import Colour, Triple, mix

Role = Literal["body", "neck", "chest", "leg", "tail"]
# The parts of a coat; then the marks on top, of which it may have some: blaze is a stripe up the
# nose, points are a dark face, brows spots above the eyes, forehead is the M of tabby cats, and
# saddle and shade colour the back.
PARTS = "body|head|ears|muzzle|chest|feet|tail"
MARKS = "blaze|points|brows|forehead|tabby|spots|speckle|patches|brindle|saddle|shade"
Coat = dict[Annotated[str, Field(pattern=f"^({PARTS}|{MARKS})$")], Colour]


@dataclass(frozen=True, config=STRICT)
class Breed:
    """One breed: its official name, its proportions, the colours its coat and eyes can have.

    Lengths are in units of the depth of the chest (its radius).
    """

    name: str
    species: Literal["cat", "dog"]
    coats: tuple[Coat, ...]
    eyes: tuple[Colour, ...]
    ears: Literal["upright", "drop", "button", "rose"]
    tail: tuple[Triple, ...]  # its path from the root
    leg: float
    length: float
    head: float
    limb: float
    muzzle: float  # 0 flat, 1 long
    hair: float  # 0 smooth, 1 long
    ear: float
    wrinkles: bool


def ends(coat: Coat, role: Role) -> tuple[Colour, Colour]:
    """The colours of a part of the trunk, where it begins and where it ends."""
    end = coat[{"chest": "chest", "leg": "feet", "tail": "tail"}.get(role, "body")]
    return mix(coat["body"], end, {"leg": 0.0, "tail": 0.3}.get(role, 1.0)), end


@cache
def breeds() -> tuple[Breed, ...]:
    """The 37 breeds in their official order: by name, ignoring case."""
    book = read_book("breeds.toml")
    colours = {name: ImageColor.getrgb(code) for name, code in book["colours"].items()}
    found = []
    for species in ("cat", "dog"):
        for name, own in book[species].items():
            looks = {"name": name, "species": species, **book["defaults"][species], **own}
            looks |= looks.pop("shape", {})
            looks["tail"] = book["tails"][looks["tail"]]
            looks["eyes"] = [colours[eye] for eye in looks["eyes"]]
            looks["coats"] = [_grown(coat, colours) for coat in looks["coats"]]
            found.append(looks)
    found.sort(key=lambda looks: looks["name"].lower())
    return check_values(found, tuple[Breed, ...], Path("breeds.toml"))


def _grown(coat: dict[str, str], colours: Mapping[str, Any]) -> dict[str, Any]:
    """A coat of breeds.toml (parts by their colour) as colours by their part, all parts there."""
    grown = {part: colours[name] for name, parts in coat.items() for part in parts.split()}
    for part in PARTS.split("|"):
        grown.setdefault(part, grown["head" if part in {"ears", "muzzle"} else "body"])
    return grown


def read_book(name: str) -> dict[str, Any]:
    """The content of a TOML file of this folder."""
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
