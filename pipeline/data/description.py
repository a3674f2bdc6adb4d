"""datasets/NAME.yaml: where a data set comes from, how its files lie, what its masks mean."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic.dataclasses import dataclass

from pipeline.core.layout import DATASETS
from pipeline.core.params import STRICT, ParamsError, check_values, read_params
from pipeline.core.terminal import redacted
from pipeline.data.classes import IGNORE, MAX_CLASSES, Class, Classes, Name, Reading, Role
from pipeline.data.colours import Colour, distinct_colours, is_colour

MAX_VALUE = 65_535  # of a mask of 16 bits
PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9_]{0,39})\}")
# Columns of tables and keys of metrics that no group may take the name of.
TAKEN = {"name", "width", "height", "split", "image_sha256", "mask_sha256", "phash", "note"}
TAKEN |= {"train", "val", "test", "total", "miou", "calibration_error", "brightness", "frame"}
TAKEN |= {"foreground_share", "touches_frame", "kind", "list", "score", "share", "added"}
TAKEN |= {"shard", "image_offset", "image_bytes", "mask_offset", "mask_bytes"}
# What the evaluation calls its own scores.
SCORES = {"images", "miou", "miou_low", "miou_high", "iou", "dice", "boundary_iou", "per_image"}
SCORES |= {"pixel_accuracy", "calibration_error", "reviewed", "added"}


def _without_password(url: str) -> str:
    if redacted(url) != url:
        raise ValueError("user and password do not belong in this file: put them into ~/.netrc")
    return url


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    return pattern


def _value(value: int | str) -> int | str:
    """What a pixel of a mask can hold; colours in small letters."""
    if isinstance(value, str) and is_colour(value):
        return value.lower()
    if isinstance(value, int) and 0 <= value <= MAX_VALUE:
        return value
    raise ValueError(f'{value!r} is neither from 0 to {MAX_VALUE} nor a colour such as "#ff8000"')


Address = Annotated[str, Field(min_length=1), AfterValidator(_without_password)]
MD5 = Annotated[str, Field(pattern="^[0-9a-fA-F]{32}$")]
Regex = Annotated[str, AfterValidator(_regex)]
Identifier = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]{0,39}$")]
Split = Literal["trainval", "train", "val", "test"]
Value = Annotated[int | str, AfterValidator(_value)]


@dataclass(frozen=True, config=STRICT)
class Source:
    """An archive, tar of any compression or zip; or a folder."""

    url: Address  # http(s), file: or a path
    # Verified if given. Of a folder, it is that of the archive that download makes of it.
    md5: MD5 | None = None
    mirrors: tuple[Address, ...] = ()  # tried in order after the url


@dataclass(frozen=True, config=STRICT)
class Place:
    """Where a source is, if not where the data set's file says."""

    source: str  # its name in that file
    url: Address
    md5: MD5 | None = None


@dataclass(frozen=True, config=STRICT)
class DownloadParams:
    """The params.yaml section `download`."""

    # The name of a file in datasets/: no signs that mislead `dvc exp run -S`.
    dataset: Annotated[str, Field(pattern="^[A-Za-z0-9_-]+$")]
    places: tuple[Place, ...]


@dataclass(frozen=True, config=STRICT)
class SampleParams:
    """What to draw: images of each breed, the size of a typical one in pixels, the seed."""

    builtin: Literal["sample"]
    images_per_breed: Annotated[int, Field(ge=2, le=100_000)]
    width: Annotated[int, Field(ge=64, le=1024)]
    height: Annotated[int, Field(ge=64, le=1024)]
    seed: int


@dataclass(frozen=True, config=STRICT)
class Layout:
    """Where images and masks are, and which list each belongs to.

    A pattern is a path inside the archives, which may lie below further folders. `{name}` stands
    for what a pair's files have in common, `{split}` for the folder of a list, any other word in
    braces for one more part of the path, `*` for anything in a folder's or file's name, and a
    `.*` at the end for any suffix of an image.
    """

    images: str = ""
    masks: str = ""
    # Files of names, one a line, with or without a suffix; further columns are passed over.
    lists: dict[Split, str] = field(default_factory=dict)
    # Instead of patterns: files with the paths of an image and its mask on each line.
    pairs: dict[Split, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.pairs:
            if self.images or self.masks or self.lists:
                raise ValueError("pairs names the files itself: leave out images, masks and lists")
            return
        words = [self._words(key) for key in ("images", "masks")]
        if words[0] != words[1]:
            both = " and ".join(_in_braces(each) for each in words)
            raise ValueError(f"images and masks must have the same words in braces, found {both}")
        if self.images == self.masks:
            raise ValueError("images and masks are the same pattern")
        if self.lists and "split" in words[0]:
            raise ValueError("lists and {split} both say which list a pair is in: leave out one")

    def _words(self, key: str) -> set[str]:
        """The words in braces of a pattern. Raises ValueError for a pattern that is none."""
        pattern = getattr(self, key)
        words = PLACEHOLDER.findall(pattern)
        if "name" not in words:
            raise ValueError(f"{key}: {pattern!r} must have {{name}} in it")
        if twice := [word for word, times in Counter(words).items() if times > 1]:
            raise ValueError(f"{key}: {pattern!r} has {_in_braces(twice)} twice: write * instead")
        if re.search(r"[{}]", PLACEHOLDER.sub("", pattern)):
            raise ValueError(f"{key}: {pattern!r}: braces must hold one word of a-z, 0-9 and _")
        return set(words)

    @property
    def words(self) -> list[str]:
        """The words in braces that are groups: all but {name} and {split}."""
        words = PLACEHOLDER.findall(self.images)
        return [word for word in words if word not in ("name", "split")]


@dataclass(frozen=True, config=STRICT)
class Masks:
    """Values of masks that belong to no class."""

    ignore: tuple[Value, ...] = ()
    unknown: Literal["quarantine", "ignore"] = "quarantine"  # any other value


@dataclass(frozen=True, config=STRICT)
class ClassEntry:
    """A class, and what it is in the masks: grey values or palette indices, or colours."""

    name: Name
    values: tuple[Value, ...]
    colour: Colour | None = None  # null: one that differs from the others
    role: Role | None = None

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"{self.name} has no values")


def _kind(values: object) -> str:
    return "drawn" if isinstance(values, dict) and "builtin" in values else "fetched"


Sources = Annotated[
    Annotated[SampleParams, Tag("drawn")]
    | Annotated[dict[Identifier, Source], Field(min_length=1), Tag("fetched")],
    Discriminator(_kind),
]
# A regular expression, whose first parentheses are the group; or one for each group's name.
GroupRule = Annotated[
    Annotated[Regex, Tag("one")] | Annotated[dict[str, Regex], Field(min_length=1), Tag("several")],
    Discriminator(lambda rule: "several" if isinstance(rule, dict) else "one"),
]


@dataclass(frozen=True, config=STRICT)
class Description:
    """The whole file. The params class of a data set, checked before any work."""

    sources: Sources
    layout: Layout
    classes: tuple[ClassEntry, ...]
    masks: Masks = Masks()
    groups: dict[Identifier, GroupRule] = field(default_factory=dict)
    readings: dict[Identifier, Reading] = field(default_factory=dict)
    about: str = ""  # whose data they are, and what may be done with them

    def __post_init__(self) -> None:
        if not 2 <= len(self.classes) <= MAX_CLASSES:
            raise ValueError(
                f"classes: 2 to {MAX_CLASSES} classes are accepted, found {len(self.classes)}"
            )
        _require_once("classes: the name", [entry.name for entry in self.classes])
        _require_once("classes and masks.ignore: the value", self.values)
        if len({isinstance(value, str) for value in self.values}) > 1:
            raise ValueError(
                'classes and masks.ignore: values are all numbers, or all colours ("#rrggbb")'
            )
        groups = [*self.layout.words, *self.groups]
        _require_once("groups and the layout's words in braces: the name", groups)
        if taken := ", ".join(sorted(TAKEN & set(groups))):
            raise ValueError(f"groups: {taken} is a column of the tables already: rename the group")
        for name, rule in self.groups.items():
            if isinstance(rule, str) and re.compile(rule).groups != 1:
                raise ValueError(
                    f"groups.{name}: {rule!r} needs one pair of parentheses, around the group"
                )
        for name, reading in self.readings.items():
            self._check_reading(name, reading)

    @property
    def values(self) -> list[int | str]:
        """Every value that the description knows."""
        known = [value for entry in self.classes for value in entry.values]
        return [*known, *self.masks.ignore]

    @property
    def archives(self) -> tuple[str, ...]:
        """The names of the archives in the order in which they are extracted."""
        if isinstance(self.sources, SampleParams):
            return ("images", "annotations")
        return tuple(self.sources)

    @property
    def in_colours(self) -> bool:
        """Whether masks hold colours, not numbers."""
        return isinstance(self.values[0], str)

    def _check_reading(self, name: str, reading: Reading) -> None:
        known = {entry.name for entry in self.classes}
        if name in SCORES:
            raise ValueError(f"readings: {name} is a score already")
        if empty := ", ".join(new for new, merged in reading.merge.items() if not merged):
            raise ValueError(f"readings.{name}: {empty} has no classes")
        parts = [part for merged in reading.merge.values() for part in merged]
        for part in (*parts, *reading.leave_out):
            if part not in known:
                raise ValueError(f"readings.{name}: {part} is no class; known: {', '.join(known)}")
        _require_once(f"readings.{name}: the class", [*parts, *reading.leave_out])
        rest = known - {*parts, *reading.leave_out}
        if taken := ", ".join(sorted(rest & reading.merge.keys())):
            raise ValueError(f"readings.{name}: {taken} is a class that is not merged")
        if len(rest) + len(reading.merge) < 2:
            raise ValueError(f"readings.{name} must leave two classes to score")

    def to_classes(self, dataset: str) -> Classes:
        """What travels with the data and the model."""
        colours = distinct_colours([entry.colour for entry in self.classes])
        pairs = zip(self.classes, colours, strict=True)
        entries = tuple(Class(entry.name, colour, entry.role) for entry, colour in pairs)
        ignored = bool(self.masks.ignore) or self.masks.unknown == "ignore"
        groups = (*self.layout.words, *self.groups)
        ignore = IGNORE if ignored else None
        return Classes(dataset, entries, ignore, dict(self.readings), groups, self.about)


def _require_once(what: str, words: list[Any]) -> None:
    if twice := [str(word) for word, times in Counter(words).items() if times > 1]:
        raise ValueError(f"{what} {', '.join(twice)} is used twice")


def _in_braces(words: Iterable[str]) -> str:
    return ", ".join(f"{{{word}}}" for word in sorted(words))


def read_description(file: Path) -> Description:
    """The description in a file. Raises ParamsError, naming file, key and what is accepted."""
    if not file.is_file():
        known = ", ".join(sorted(each.stem for each in DATASETS.glob("*.yaml")))
        raise ParamsError(f"{file} is missing; data sets that have a file: {known or 'none'}")
    return check_values(read_params(file), Description, file)


def group_of(name: str, rule: str | Mapping[str, str]) -> str | None:
    """The group of a pair by its name; None if no pattern fits, or several do."""
    if isinstance(rule, str):
        match = re.fullmatch(rule, name)
        return match[1] if match else None
    fitting = [group for group, pattern in rule.items() if re.fullmatch(pattern, name)]
    return fitting[0] if len(fitting) == 1 else None
