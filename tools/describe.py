"""Look at folders of images and masks, and write a first description of the data set."""

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from pipeline.core.files import write_file
from pipeline.core.layout import DATASETS, expand_home
from pipeline.core.terminal import UserError, console, run_command, say
from pipeline.data.colours import in_hex

if TYPE_CHECKING:
    from pipeline.ingest.survey import Survey, Value

BLACK = "#000000"
VOID = "#e0e0c0"  # around VOC's objects
IGNORED = 255  # beside class ids
NAMED = 5  # files without a partner
HEAD = """\
# {name}: what `make describe` found. Give the classes their names; then: make train DATASET={name}
# docs/datasets.md says what else can stand here.
sources:
{sources}

layout: # paths in these folders, which may lie below others
  images: {images}
  masks: {masks}
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.describe", description=__doc__)
    parser.add_argument("images", type=Path, help="folder of images")
    parser.add_argument("masks", type=Path, help="folder of masks; it may be the same")
    parser.add_argument("--name", default="mine", help="of the data set (mine)")
    arguments = parser.parse_args()
    if not re.fullmatch(r"[\w-]+", arguments.name, re.ASCII):
        raise UserError(f"--name {arguments.name}: accepted are letters, digits, - and _")
    file = DATASETS / f"{arguments.name}.yaml"
    if file.exists():
        raise UserError(f"{file} is there already: choose another name (--name), or remove it")
    from pipeline.ingest.survey import survey

    # Not every shell expands ~ after an equals sign.
    images, masks = expand_home(arguments.images), expand_home(arguments.masks)
    found = survey(images, masks)
    names = find_labels(masks)
    show(found)
    write_file(file, "\n".join(describe(found, arguments.name, names)) + "\n")
    say(f"{file} is written: give the classes their names in it")


def find_labels(masks: Path) -> dict[str, str]:
    """The names of colours in CVAT's labelmap.txt beside the masks, or above; empty without one."""
    from pipeline.ingest.cvat import LABELMAP, read_labelmap

    for folder in (masks, *masks.resolve().parents[:2]):
        if (folder / LABELMAP).is_file():
            with suppress(UserError):  # another program's file of this name
                return {in_hex(colour): label for label, colour in read_labelmap(folder / LABELMAP)}
    return {}


def describe(found: "Survey", name: str, names: dict[str, str]) -> Iterator[str]:
    """The lines of a description. `names`: of colours, as far as they are known."""
    sources = [f"  {key}: {{url: {quoted(str(path))}}}" for key, path in found.sources.items()]
    patterns = {"images": quoted(found.images), "masks": quoted(found.masks)}
    yield HEAD.format(name=name, sources="\n".join(sources), **patterns)
    values = sorted(found.values, key=lambda value: str(value.value).zfill(8))
    ignored = [each for each in values if is_ignored(each, values)]
    impossible = [each for each in values if isinstance(each.value, int) and each.value < 0]
    yield from without_class(ignored, impossible)
    yield "# A value that is no class goes to masks, ignore. foreground is cut out and measured,"
    yield "# background stays untinted."
    yield "classes:"
    if found.read < found.pairs:
        yield f"# From {found.read} of {found.pairs} masks: they may lack a rare value."
    left = [value for value in values if value not in (*ignored, *impossible)]
    if len(left) < 2:
        told = "but for ignored values, the masks hold fewer than two"
        raise UserError(f"{told}: is this the folder of masks?")
    taken = {""}
    for place, each in enumerate(left):
        role = role_of(each, values)
        known = " ".join(re.findall(r"\w[\w-]*", names.get(str(each.colour), "")))[:60].strip()
        label = known if known not in taken else role or f"class {place}"
        taken.add(label)
        parts = [f"name: {quoted(label)}", f"values: [{quoted(each.value)}]"]
        if each.colour and each.colour != BLACK:
            parts.append(f"colour: {quoted(each.colour)}")
        parts += [f"role: {role}"] if role else []
        yield f"  - {{{', '.join(parts)}}} # {each.share:.1%} of the pixels, in {each.masks} masks"


def without_class(ignored: Sequence["Value"], impossible: Sequence["Value"]) -> Iterator[str]:
    """The section `masks` for values that are no classes; nothing without any."""
    if ignored or impossible:
        yield "masks:"
    if ignored:
        listed = ", ".join(quoted(each.value) for each in ignored)
        yield f"  ignore: [{listed}] # around objects, or not labelled"
    if impossible:
        yield f"  unknown: ignore # such as {impossible[0].value}: values begin with 0"


def is_ignored(value: "Value", values: Sequence["Value"]) -> bool:
    """Whether a value looks like "no class": 255 beside class ids, VOC's colour of outlines."""
    others = [each.value for each in values if each is not value]
    # 255 beside 0 and 128, say, is a class like these.
    are_ids = any(isinstance(each, int) and each % 16 for each in others)
    void = VOID in (value.value, value.colour)
    return void or (value.value == IGNORED and len(others) > 1 and are_ids)


def role_of(value: "Value", values: Sequence["Value"]) -> str | None:
    """What two values, or black and others, usually mean."""
    lowest = 0 if isinstance(value.value, int) else BLACK
    two = len(values) == 2 and lowest in [each.value for each in values]
    if value.value == lowest and (two or value.colour == BLACK):
        return "background"
    return "foreground" if two else None


def quoted(value: int | str) -> str:
    """The value in YAML, of which JSON is a part."""
    return json.dumps(value, ensure_ascii=False)


def show(found: "Survey") -> None:
    say(f"{found.pairs} pairs: {found.images} and {found.masks}")
    if found.alone:
        some = ", ".join(found.alone[:NAMED])
        say(f"{len(found.alone)} files are in no pair, such as {some}")
    if found.resized:
        console.print(f"{found.resized} of {found.read} masks differ in size from their image")
    table = Table("value", "colour", title=f"Values in {found.read} of {found.pairs} masks")
    for column in ("of the pixels", "in masks"):
        table.add_column(column, justify="right")
    for each in found.values:
        colour = f"[on {each.colour}]    [/] {each.colour}" if each.colour else ""
        table.add_row(str(each.value), colour, f"{each.share:.2%}", str(each.masks))
    console.print(table)


if __name__ == "__main__":
    run_command(main)
