"""Which files of the archives are a pair, by a data set's layout."""

import codecs
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import get_args

from pipeline.core.terminal import UserError
from pipeline.data.description import PLACEHOLDER, Description, Layout, Split, group_of
from pipeline.ingest.vocabulary import Fault, Listed, Note, Reason

# In any case.
IMAGE_SUFFIXES = (
    *("jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff", "avif", "heic", "heif", "hif"),
)
# The folders that {split} stands for, in any case, and the lists they are.
SPLITS = {
    **{"train": "train", "training": "train", "trainval": "trainval"},
    **{"val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test"},
}
LISTS = get_args(Split)  # a name in several belongs to the last of them
UNUSUAL = re.compile(r"[^\w .,()&'+@=~#-]|^\W")  # in the name of a pair
LONGEST = 200  # bytes of such a name: with what comes around it, a file's may have 255
SHOWN = 3  # files in an error message


@dataclass(frozen=True)
class _Found:
    """What the layout finds under one name."""

    split: str = ""
    image: str = ""  # path inside the archives; empty: there is none
    mask: str = ""
    twice: str = ""  # the path of a second file
    missing: str = ""  # what was looked for where there is no file at all
    words: tuple[str, ...] = ()  # for the layout's other words in braces
    notes: tuple[Note, ...] = ()
    listed: bool = True


def take_inventory(
    source: Path, description: Description, where: Path
) -> tuple[list[Listed], list[Fault], int]:
    """The pairs to check, the names that are no pair, and the number of different listed names.

    A name in several lists belongs to the last of LISTS; a name listed twice counts once; both get
    a note. Hidden files, and files that no pattern fits, are ignored. Where there are no lists,
    every name counts as listed. `where`: the description's file, for messages.
    Raises UserError where a pattern fits no file, or files in several places; for bad lists; and
    for lists that name nothing.
    """
    layout, files = description.layout, list(_walk(source))
    if layout.pairs:
        found = _by_pairs(layout.pairs, files, source)
    else:
        found = _by_patterns(layout, files, where)
        if layout.lists:
            found = _with_lists(found, _read_lists(layout.lists, files, source, found), layout)
    pairs: list[Listed] = []
    faults: list[Fault] = []
    for name, each in sorted(found.items()):
        groups = [group_of(name, rule) for rule in description.groups.values()]
        reason, file = _fault(each)
        if reason is not Reason.NO_FILES and any(map(is_unusual, (name, *each.words))):
            reason, file = Reason.NAME, each.image or each.mask
        elif reason is None and None in groups:
            reason, file = Reason.NO_GROUP, each.image
        if reason is not None:
            faults.append(Fault(name, file, reason))
        else:
            known = (*each.words, *(group or "" for group in groups))
            pairs.append(Listed(name, each.image, each.mask, each.split, known, each.notes))
    names = sum(each.listed for each in found.values())
    if not names:
        raise UserError(f"{where}: layout: the lists name no pictures")
    return pairs, faults, names


def is_unusual(name: str) -> bool:
    """Whether a pair cannot have this name."""
    # Vowels and accents of their own, as in Hindi, belong to their letters, but not to \w.
    letters = "".join(sign for sign in name if not unicodedata.category(sign).startswith("M"))
    return not letters or bool(UNUSUAL.search(letters)) or len(name.encode()) > LONGEST


def _fault(found: _Found) -> tuple[Reason | None, str]:
    """Why a name is no pair, with the file that shows it; None for a pair."""
    if found.twice:
        return Reason.TWICE, found.twice
    if not found.mask:
        file = found.image or found.missing
        return (Reason.NO_MASK if found.image else Reason.NO_FILES), file
    if not found.image:
        return Reason.NO_IMAGE, found.mask
    return (None, "") if found.listed else (Reason.NOT_LISTED, found.image)


def _walk(source: Path) -> Iterator[str]:
    """The paths of all files below the folder, relative to it, but hidden ones and macOS's."""
    for folder, folders, names in os.walk(source):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        at = os.path.relpath(folder, source).replace(os.sep, "/")
        for name in names:
            if not name.startswith("."):
                yield name if at == "." else f"{at}/{name}"


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern of the layout, for paths in any case.

    Its first group is the folders around: the pattern may fit anywhere below them.
    """

    def part(text: str) -> str:
        if text == "{split}":
            return f"(?P<split>{'|'.join(SPLITS)})"
        if PLACEHOLDER.fullmatch(text):
            return f"(?P<{text[1:-1]}>[^/]+)"
        return "[^/]*" if text == "*" else re.escape(text)

    stem = pattern.removesuffix(".*")
    parts = "".join(map(part, re.split(r"(\{\w+\}|\*)", stem)))
    suffix = rf"\.(?:{'|'.join(IMAGE_SUFFIXES)})" if stem != pattern else ""
    return re.compile(rf"((?:.+/)?){parts}{suffix}", re.IGNORECASE)


def meaning(word: str, text: str) -> str:
    """What a word in braces stands for: of {split}, the list, however its folder is spelt."""
    return SPLITS[text.lower()] if word == "split" else text


def _by_patterns(layout: Layout, files: list[str], where: Path) -> dict[str, _Found]:
    """What the patterns for images and masks find, by name.

    A file that both patterns fit belongs to the one that says more.
    """
    patterns = {key: compile_pattern(getattr(layout, key)) for key in ("images", "masks")}
    order = sorted(patterns, key=lambda key: -len(PLACEHOLDER.sub("", getattr(layout, key))))
    words = [word for word in PLACEHOLDER.findall(layout.images) if word != "name"]
    paths: dict[str, dict[tuple[str, ...], str]] = {key: {} for key in patterns}
    twice: dict[tuple[str, ...], str] = {}
    spelt: dict[tuple[str, ...], tuple[str, ...]] = {}
    tops: dict[str, set[str]] = {key: set() for key in patterns}
    for file in files:
        for key in order:
            if match := patterns[key].fullmatch(file):
                tops[key].add(match[1])
                own = tuple(_composed(match[word]) for word in (*words, "name"))
                # Train/ and train_masks/ are one list; the image's folder gives the name.
                pair = tuple(map(meaning, (*words, "name"), own))
                spelt[pair] = own if key == "images" else spelt.get(pair, own)
                if pair in paths[key]:  # in whatever order the system names them
                    twice[pair] = max(paths[key][pair], file, twice.get(pair, ""))
                paths[key][pair] = file
                break
    for key, places in tops.items():
        pattern = getattr(layout, key)
        if not places:
            some = ", ".join(sorted(files)[:SHOWN]) or "nothing"
            raise UserError(
                f"{where}: layout.{key}: no file fits {pattern!r}; there is, for example, {some}"
            )
        if len(places) > 1:
            at = ", ".join(sorted(top or "./" for top in places)[:SHOWN])
            raise UserError(
                f"{where}: layout.{key}: files in several folders fit {pattern!r}: {at}"
            )
    found = []
    for pair in paths["images"].keys() | paths["masks"].keys():
        known = dict(zip(words, pair, strict=False))
        each = _Found(
            split=SPLITS[known.pop("split").lower()] if "split" in known else "",
            image=paths["images"].get(pair, ""),
            mask=paths["masks"].get(pair, ""),
            twice=twice.get(pair, ""),
            words=tuple(known.values()),
        )
        found.append((spelt[pair], each))
    return _named(found)


def _named(found: list[tuple[tuple[str, ...], _Found]]) -> dict[str, _Found]:
    """The pairs by name; each comes with parts of its path.

    The last part is the name, unless two pairs share it (0001.png in the folders of two films):
    then all parts are. Of two pairs that still have one name, neither is used. Capitals make no
    other name: on some systems A.jpg is a.jpg.
    """
    unique = len({parts[-1].casefold() for parts, _ in found}) == len(found)
    named: dict[str, _Found] = {}
    names: dict[str, str] = {}
    for parts, each in sorted(found, key=lambda item: (item[0], item[1].image)):
        own = parts[-1] if unique else "_".join(parts)
        name = names.setdefault(own.casefold(), own)
        again = replace(each, twice=each.image or each.mask or each.missing)
        named[name] = again if name in named else each
    return named


def _with_lists(
    found: dict[str, _Found], lists: Mapping[str, tuple[str, tuple[Note, ...]]], layout: Layout
) -> dict[str, _Found]:
    """Each found or listed name with its list."""
    joined = {}
    for name in found.keys() | lists.keys():
        each = found.get(name, _Found(missing=layout.images.replace("{name}", name)))
        split, notes = lists.get(name, ("", ()))
        joined[name] = replace(each, split=split, notes=notes, listed=name in lists)
    return joined


def _read_lists(
    lists: Mapping[Split, str], files: list[str], source: Path, known: Container[str]
) -> dict[str, tuple[str, tuple[Note, ...]]]:
    """The split of every listed name, with notes on names listed more than once.

    A name is what stands first in a line; or all of it, if a pair's name has blanks (`known`).
    Folders before it and a suffix are left out.
    """
    splits: dict[str, tuple[str, tuple[Note, ...]]] = {}
    suffix = re.compile(rf"\.({'|'.join(IMAGE_SUFFIXES)})$", re.IGNORECASE)
    for split, file in sorted(lists.items(), key=lambda item: LISTS.index(item[0])):
        names = []
        sign, lines = _read_lines(file, files, source)
        for columns in lines:
            own = PurePosixPath(columns[0].replace("\\", "/")).name
            first, whole = (
                _composed(suffix.sub("", name)) for name in (own, " ".join([own, *columns[1:]]))
            )
            names.append(whole if sign is None and whole in known else first)
        for name, times in Counter(names).items():
            both = (Note.SEVERAL_LISTS,) if name in splits else ()
            splits[name] = split, (*both, *((Note.LISTED_TWICE,) if times > 1 else ()))
    return splits


def _by_pairs(lists: Mapping[Split, str], files: list[str], source: Path) -> dict[str, _Found]:
    """The pairs that lists name by their paths, which may be those of another machine."""
    by_name: dict[str, list[str]] = {}
    for file in files:
        by_name.setdefault(_composed(PurePosixPath(file).name), []).append(file)
    found: dict[str, _Found] = {}  # by the image's path
    for split, file in sorted(lists.items(), key=lambda item: LISTS.index(item[0])):
        for line in _read_lines(file, files, source)[1]:
            columns = [_composed(path.replace("\\", "/")) for path in line]
            if len(columns) != 2 or "" in columns:
                text = " ".join(columns)
                raise UserError(f"{file}: {text!r}: expected the paths of an image and its mask")
            fitting = [by_end(path, by_name) for path in columns]
            image, mask = (paths[0] if len(paths) == 1 else "" for paths in fitting)
            twice = next((paths[-1] for paths in fitting if len(paths) > 1), "")
            before = found.get(image or columns[0])
            if before and before.mask != mask:
                twice = mask or before.mask
            elif before and before.twice:  # a third line does not settle what two dispute
                twice = twice or before.twice
            again = Note.LISTED_TWICE if before and before.split == split else Note.SEVERAL_LISTS
            notes = (again,) if before else ()
            each = _Found(split, image, mask, twice, missing=columns[0], notes=notes)
            found[image or columns[0]] = each
    folders = [_parts(each.image)[:-1] for each in found.values() if each.image]
    shared = len(os.path.commonprefix(folders))  # noqa: RUF071 - of folders, not of letters
    return _named(
        [(_parts(path)[shared if each.image else 0 :], each) for path, each in found.items()]
    )


def _parts(path: str) -> tuple[str, ...]:
    """The folders, and the name without its suffix."""
    *folders, name = _composed(path).split("/")
    return (*folders, PurePosixPath(name).stem)


def _composed(name: str) -> str:
    """The one spelling of a name: older macOS writes an accent as a character of its own."""
    return unicodedata.normalize("NFC", name)


def by_end(path: str, by_name: Mapping[str, list[str]]) -> list[str]:
    """The files whose paths share the longest ending with `path`, sorted.

    The last folder must be the same, too, if both have one: images and masks may share their names.
    by_name: the files by the last part of their path.
    """
    parts = path.split("/")[::-1]
    common = {}
    for file in by_name.get(parts[0], []):
        own = _composed(file).split("/")[::-1]
        length = len(os.path.commonprefix([parts, own]))  # noqa: RUF071
        if length >= min(2, len(parts), len(own)):
            common[file] = length
    return sorted(file for file, length in common.items() if length == max(common.values()))


def _read_lines(name: str, files: list[str], source: Path) -> tuple[str | None, list[list[str]]]:
    """The column separator (None: blanks), and each line's columns, without blanks or comments.

    The file is in UTF-8, or in UTF-16 with its mark; columns are parted by tabs, else by commas,
    else by blanks. Raises UserError for a file that is missing, there twice, or no text.
    """
    fitting = [file for file in files if f"/{file}".casefold().endswith(f"/{name}".casefold())]
    if len(fitting) != 1:
        there = f"{len(fitting)} times in the archives" if fitting else "missing"
        raise UserError(f"{name} is {there}: the description's layout names it as a list")
    content = (source / fitting[0]).read_bytes()
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        lines = content.decode("utf-16" if marked else "utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{name} is not a text file: expected a name on each line") from None
    used = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
    sign = next((sign for sign in "\t," if any(sign in line for line in used)), None)
    return sign, [[part.strip() for part in line.split(sign)] for line in used]
