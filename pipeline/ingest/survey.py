"""What somebody's folders of images and masks hold: how names pair up, and the masks' values."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core.terminal import UserError, track
from pipeline.data.classes import MAX_CLASSES
from pipeline.data.colours import in_hex
from pipeline.data.description import PLACEHOLDER
from pipeline.data.images import open_image
from pipeline.ingest.archives import files_below
from pipeline.ingest.checks import as_value, packed
from pipeline.ingest.inventory import IMAGE_SUFFIXES, SPLITS, compile_pattern, meaning

READ = 400  # masks at most, evenly spaced: enough to meet the values of thousands
Files = dict[str, Path]

MARKS = "_-. "  # they part a name from what comes before or after it


@dataclass(frozen=True)
class Value:
    """A value of masks."""

    value: int | str  # a number, or a colour as "#rrggbb"
    share: float  # of all pixels
    masks: int  # that hold it
    colour: str | None  # the palette's, or the value itself


@dataclass(frozen=True)
class Survey:
    """What two folders hold."""

    sources: Mapping[str, Path]  # folders, by the name of the source
    images: str  # pattern of the layout
    masks: str
    pairs: int
    alone: Sequence[str]  # files that are in no pair
    read: int  # masks whose values were counted
    values: Sequence[Value]
    resized: int  # of the masks read, those of another size than their image


def survey(images: Path, masks: Path) -> Survey:
    """Look at a folder of images and a folder of masks, which may be the same.

    Raises UserError where nothing pairs up, and for masks that hold no classes.
    """
    for folder in (images, masks):
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder")
    images, masks = images.resolve(), masks.resolve()
    sources, image_files, mask_files = _find_files(images, masks)
    patterns = _patterns(sorted(image_files), sorted(mask_files))
    named_images, named_masks = map(_by_words, patterns, (image_files, mask_files))
    both = named_images.keys() & named_masks.keys()
    if not both:
        some = ", ".join(next(iter(each), "nothing") for each in (image_files, mask_files))
        found = "no image and mask have a name in common"
        if not {*map(_stem, image_files)}.isdisjoint(map(_stem, mask_files)):
            found = "names fit, folders do not: write the layout yourself (docs/datasets.md)"
        raise UserError(f"{found}: there is, for example, {some}")
    paired = {each[name] for each in (named_images, named_masks) for name in both}
    alone = [path for path in (*image_files, *mask_files) if path not in paired]
    chosen = sorted(both)[:: -(-len(both) // READ)]
    pairs = [(image_files[named_images[name]], mask_files[named_masks[name]]) for name in chosen]
    values, resized = _count(pairs)
    return Survey(sources, *patterns, pairs=len(both), alone=sorted(alone), read=len(chosen),
                  values=values, resized=resized)  # fmt: skip


def _find_files(images: Path, masks: Path) -> tuple[dict[str, Path], Files, Files]:
    """The sources, and the images and masks of all lists, by their paths in the archives."""
    folders = _of_all_lists(images, masks)
    nested = images in masks.parents or masks in images.parents
    if len(folders) == 1 and images != masks and not nested:
        of_images, of_masks = images, masks
        while of_images.name == of_masks.name:  # no two archives may hold one folder
            of_images, of_masks = of_images.parent, of_masks.parent
        if of_images in masks.parents or of_masks in images.parents:
            depth = len(Path(os.path.commonpath([images, masks])).parts) + 1
            of_images, of_masks = (Path(*each.parts[:depth]) for each in (images, masks))
        sources = {"images": of_images, "masks": of_masks}
        tops = (of_images.parent, of_masks.parent)
    else:
        top = Path(os.path.commonpath([each for pair in folders for each in pair]))
        sources, tops = {"folder": top}, (top, top)
    image_files, mask_files = (
        {path.relative_to(top).as_posix(): path for folder in own for path in _files(folder)}
        for top, own in zip(tops, zip(*folders, strict=True), strict=True)
    )
    if images == masks:
        image_files, mask_files = _parted(image_files)
    elif nested:  # what is in the inner folder is not the outer one's
        inner = max(images, masks, key=lambda folder: len(folder.parts))
        outer = image_files if inner == masks else mask_files
        for name in [name for name, path in outer.items() if inner in path.parents]:
            del outer[name]
    return sources, image_files, mask_files


def _of_all_lists(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """The two folders, and those of the other lists if they are the train, val or test folders.

    CamVid/train and CamVid/trainannot stand beside CamVid/val, valannot, test and testannot.
    """
    for place, (word, its_masks) in enumerate(zip(images.parts, masks.parts, strict=False)):
        if word.lower() in SPLITS and its_masks.lower().startswith(word.lower()):
            rest = its_masks[len(word) :]
            found = []
            above = Path(*images.parts[:place])
            for each in sorted(
                path.name for path in above.iterdir() if path.name.lower() in SPLITS
            ):
                names = (each, each + rest)
                pair = zip((images, masks), names, strict=True)
                one, other = (
                    Path(*folder.parts[:place], name, *folder.parts[place + 1 :])
                    for folder, name in pair
                )
                if one.is_dir() and other.is_dir():
                    found.append((one, other))
            if len(found) > 1:
                return found
    return [(images, masks)]


def _files(folder: Path) -> list[Path]:
    """The images in the folder and below it. Raises UserError for a link that leads nowhere."""
    return [path for path in files_below(folder) if path.suffix.lower()[1:] in IMAGE_SUFFIXES]


def _parted(files: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """The files of one folder as images and masks: a mask's stem is an image's with an ending."""
    stems = dict.fromkeys(path.rpartition(".")[0] for path in sorted(files))
    endings = Counter(
        stem[cut:]
        for stem in stems
        for cut in range(1, len(stem))
        if stem[cut] in MARKS and stem[:cut] in stems
    )
    if not endings:
        raise UserError(
            "images and masks are in one folder, and no name is another's with an ending: "
            "write the layout yourself (docs/datasets.md)"
        )
    ending = max(endings, key=lambda each: (endings[each], "mask" in each.lower()))
    masks = {name: path for name, path in files.items() if name.rpartition(".")[0].endswith(ending)}
    images = {name: path for name, path in files.items() if name not in masks}
    return images, masks


def _patterns(images: Sequence[str], masks: Sequence[str]) -> tuple[str, str]:
    """The patterns of the layout that fit the paths of images, and of masks."""
    alike = not {_stem(path) for path in images}.isdisjoint(map(_stem, masks))
    one, other = (
        "/".join([*_folders(paths), _name(paths, alike)]) + ".*" for paths in (images, masks)
    )
    return one, other


def _stem(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0]


def _name(paths: Sequence[str], alike: bool) -> str:
    """`{name}` with what all names begin and end with, unless names are alike as they are."""
    stems = [_stem(path) for path in paths]
    if alike or len(stems) < 2:
        return "{name}"
    start = os.path.commonprefix(stems)  # noqa: RUF071 - of letters, not of folders
    start = start[: max(start.rfind(mark) for mark in MARKS) + 1]
    rests = [stem[len(start) :][::-1] for stem in stems]
    end = os.path.commonprefix(rests)  # noqa: RUF071
    end = end[: max(end.rfind(mark) for mark in MARKS) + 1][::-1]
    return f"{start}{{name}}{end}"


def _folders(paths: Sequence[str]) -> list[str]:
    """The folders of a pattern: names that differ are {split}, {folder}, {folder2} ..."""
    parts = []
    depth = min((path.count("/") for path in paths), default=0)
    for level in range(depth):
        names = {path.split("/")[level] for path in paths}
        rests = {_after_split(name) for name in names}
        if len(names) == 1:
            parts.append(names.pop())
        elif len(rests) == 1 and None not in rests:
            parts.append(f"{{split}}{rests.pop()}")
        else:
            number = sum(part.startswith("{folder") for part in parts) + 1
            parts.append(f"{{folder{number if number > 1 else ''}}}")
    return parts


def _after_split(name: str) -> str | None:
    """What follows the word for a list in a folder's name: "annot" of trainannot."""
    fitting = [word for word in SPLITS if name.lower().startswith(word)]
    return name[len(max(fitting, key=len)) :] if fitting else None


def _by_words(pattern: str, paths: Iterable[str]) -> dict[tuple[str, ...], str]:
    """The paths by what the pattern's words in braces stand for."""
    regex, words = compile_pattern(pattern), sorted(PLACEHOLDER.findall(pattern))
    matches = ((path, regex.fullmatch(path)) for path in paths)
    return {
        tuple(meaning(word, match[word]) for word in words): path
        for path, match in matches
        if match
    }


def _count(pairs: Sequence[tuple[Path, Path]]) -> tuple[list[Value], int]:
    """The values of the masks, the most frequent first, and how many differ in size from images."""
    pixels: Counter[int] = Counter()
    masks: Counter[int] = Counter()
    palette: dict[int, str] = {}
    in_colours: bool | None = None
    resized = 0
    with track(pairs, "reading masks", len(pairs)) as tracked:
        for image, file in tracked:
            mask = open_image(file)
            _require_classes(mask, file)
            if in_colours not in (None, mask.mode == "RGB"):
                raise UserError(
                    f"{file} and {pairs[0][1]}: one holds colours, the other numbers (grey or a "
                    "palette). If both mean colours, name the classes by these in a file of your "
                    "own (docs/datasets.md)"
                )
            in_colours = mask.mode == "RGB"
            values, counts = np.unique(
                packed(np.asarray(mask)) if in_colours else np.asarray(mask), return_counts=True
            )
            pixels.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
            masks.update(values.tolist())
            if mask.mode == "P":
                flat = mask.getpalette("RGB") or []
                own = {v: in_hex(flat[3 * v :][:3]) for v in values.tolist() if flat[3 * v :]}
                if any(palette.get(value, colour) != colour for value, colour in own.items()):
                    raise UserError(
                        f"{file}: its palette has other colours than an earlier mask's: write the "
                        "file yourself, and name the classes by the numbers if these mean them, "
                        "else by the colours (docs/datasets.md)"
                    )
                palette |= own
            # extract says what is wrong with an image that does not open.
            with suppress(Exception), Image.open(image) as opened:  # decoders raise many kinds
                resized += sorted(opened.size) != sorted(mask.size)
            if len(pixels) > MAX_CLASSES:
                raise UserError(
                    f"{file}: more than {MAX_CLASSES} values so far; masks of classes have few. "
                    "Are these photographs, resized masks, or numbers of objects?"
                )
    total = pixels.total()
    found = []
    for number, count in pixels.most_common():
        value = as_value(number, bool(in_colours))
        colour = value if isinstance(value, str) else palette.get(value)
        found.append(Value(value, count / total, masks[number], colour))
    return found, resized


def _require_classes(mask: Image.Image, file: Path) -> None:
    """Raise UserError for a mask that no data set could use."""
    if mask.format == "JPEG":
        raise UserError(f"{file} is a JPEG, which smears the values of a mask: use PNG")
    if mask.mode not in ("1", "L", "P", "RGB") and not mask.mode.startswith("I"):
        raise UserError(f"{file} has the channels {mask.mode}: masks are grey, palette or RGB")
