"""The classes of a data set, as dataset.json, config.json and an ONNX file carry them."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT
from pipeline.core.terminal import UserError
from pipeline.data.colours import RGB, UNNAMED, Colour, distinct_colours, rgb

IGNORE = 255  # in a mask: a pixel that is neither trained on nor scored
MAX_CLASSES = 250
FILE = "dataset.json"  # beside index.csv
KEYS = ("classes", "colours", "roles", "ignore")  # of an ONNX file's metadata, as JSON

# What a class is in a picture. Objects are cut out and measured: foreground counts, the rim around
# it is half of it, everything else is none of it. Overlays leave the background untinted.
Role = Literal["foreground", "rim", "background"]


def _name(text: str) -> str:
    """Check a name: a dot would nest scores, and MLflow accepts few other characters."""
    if not re.fullmatch(r"\w[\w -]{0,59}", text):
        raise ValueError(
            f"{text[:80]!r} is no name: up to 60 letters, digits, blanks, - and _ are accepted"
        )
    return text


Name = Annotated[str, AfterValidator(_name)]


@dataclass(frozen=True, config=STRICT)
class Class:
    """One class; its position among the classes is its id in a mask."""

    name: Name
    colour: Colour
    role: Role | None = None


@dataclass(frozen=True, config=STRICT)
class Reading:
    """Another way to score the same predictions: some classes count as one, or not at all."""

    # The new class, its parts.
    merge: dict[Name, tuple[Name, ...]] = field(default_factory=dict)
    leave_out: tuple[Name, ...] = ()  # whose true pixels are not scored


@dataclass(frozen=True, config=STRICT)
class Classes:
    """What everything after extract knows of a data set."""

    dataset: str
    entries: tuple[Class, ...]
    ignore: int | None = None  # IGNORE, if masks may hold it
    readings: dict[str, Reading] = field(default_factory=dict)
    groups: tuple[str, ...] = ()  # columns of index.csv, such as breed
    about: str = ""  # whose data they are, and what may be done with them

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.entries)

    @property
    def palette(self) -> tuple[RGB, ...]:
        """One colour a class; if pixels may be ignored, one for each of 256 values."""
        unnamed = 0 if self.ignore is None else 256 - len(self)
        return tuple(rgb(entry.colour) for entry in self.entries) + (rgb(UNNAMED),) * unnamed

    def with_role(self, *roles: Role | None) -> list[int]:
        """The ids of the classes with one of the roles."""
        return [place for place, entry in enumerate(self.entries) if entry.role in roles]

    @property
    def foreground(self) -> list[int]:
        return self.with_role("foreground")

    @property
    def subject(self) -> str:
        """What people call the foreground: its class, or "foreground" if there are several."""
        names = self.named(self.foreground)
        return names[0] if len(names) == 1 else "foreground"

    @property
    def outlined(self) -> list[int]:
        """The ids of the classes whose outline is scored: the foreground, or all without one."""
        return self.foreground or [*range(len(self))]

    def named(self, ids: Iterable[int]) -> list[str]:
        return [self.names[place] for place in ids]

    def read_as(self, reading: Reading) -> dict[str, list[int]]:
        """The ids of each class that a reading scores, in the order of the classes."""
        new = {part: name for name, parts in reading.merge.items() for part in parts}
        scored: dict[str, list[int]] = {}
        for place, name in enumerate(self.names):
            if name not in reading.leave_out:
                scored.setdefault(new.get(name, name), []).append(place)
        return scored


def read_classes(data: Path) -> Classes:
    """The classes of the data set that extract wrote into a folder. Raises UserError."""
    try:
        return TypeAdapter(Classes).validate_json((data / FILE).read_bytes())
    except FileNotFoundError:
        raise UserError(f"{data / FILE} is missing: run the stage extract first") from None
    except ValidationError as error:
        raise UserError(f"{data / FILE} is not what extract writes: {error}") from None


def to_metadata(classes: Classes) -> dict[str, str]:
    """What an ONNX file says of its classes: names, colours and roles as JSON lists."""
    return {
        "dataset": classes.dataset,
        "classes": json.dumps(classes.names),
        "colours": json.dumps([entry.colour for entry in classes.entries]),
        "roles": json.dumps([entry.role for entry in classes.entries]),
        "ignore": json.dumps(classes.ignore),
    }


def from_metadata(metadata: Mapping[str, str]) -> Classes:
    """The classes of an ONNX file; an older one has names alone, and gets colours here.

    Raises ValueError for metadata that name no classes.
    """
    read: dict[str, Any] = {key: json.loads(text) for key, text in metadata.items() if key in KEYS}
    names = read.get("classes")
    if not isinstance(names, list) or not 2 <= len(names) <= MAX_CLASSES:
        raise ValueError("its metadata name no classes")
    colours = read.get("colours") or distinct_colours([None] * len(names))
    roles = read.get("roles") or [None] * len(names)
    columns = zip(names, colours, roles, strict=True)
    entries = tuple(Class(name, colour, role) for name, colour, role in columns)
    return Classes(metadata.get("dataset", ""), entries, read.get("ignore"))
