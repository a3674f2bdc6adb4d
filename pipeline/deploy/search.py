"""The photographs that a command line means: files, folders, patterns."""

import os
from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path

from pipeline.core.terminal import UserError
from pipeline.deploy.results import is_result

# What is taken for a photograph in a folder. HEIC cannot be read: it is taken to be reported, since
# it is a photograph to whoever has put it there.
SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp"),
    *(".avif", ".jp2", ".ppm", ".pgm", ".heic", ".heif"),
}


def find_photographs(arguments: Sequence[str]) -> Iterator[Path | UserError]:
    """Each photograph once, in the arguments' order; for what finds none, an error that says so.

    An argument is a file of any name, a folder, whose pictures in all its folders are taken by
    their SUFFIXES, or else a pattern such as `holiday/**/*.jpg`. Left out is what is hidden, and
    what `save_results` wrote: a folder of results can hold the photographs too.
    """
    seen = set()
    for argument in arguments:
        meant = [each for each in _meant_by(argument) if not _is_result(each)]
        if not meant:
            yield UserError(f"{argument}: nothing but results of earlier predictions")
        for each in meant:
            if isinstance(each, UserError):
                yield each
            elif each.resolve() not in seen:
                seen.add(each.resolve())
                yield each


def _is_result(found: Path | UserError) -> bool:
    return isinstance(found, Path) and is_result(found)


def _meant_by(argument: str) -> Iterator[Path | UserError]:
    """At least one of either."""
    path = Path(argument).expanduser() if argument.startswith("~/") else Path(argument)
    try:
        if not argument:
            yield UserError("a name is empty: say which photograph")
        elif path.exists():  # also a name in brackets, which would be a pattern
            yield from _files_of(path)
        elif matches := glob(str(path), recursive=True):  # noqa: PTH207 (Path's: no absolute ones)
            for match in sorted(matches):
                yield from _files_of(Path(match))
        else:
            yield UserError(f"{argument}: no such file or folder, and nothing fits it as a pattern")
    except OSError as error:
        yield UserError(f"{argument}: {error.strerror}")


def _files_of(path: Path) -> Iterator[Path | UserError]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from _in_folder(path)
    else:
        yield UserError(f"{path}: neither a file nor a folder")


def _in_folder(path: Path) -> Iterator[Path | UserError]:
    errors: list[OSError] = []
    found = 0
    for folder, folders, names in os.walk(path, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                found += 1
                yield Path(folder, name)
    yield from (UserError(f"{error.filename}: {error.strerror}") for error in errors)
    if not found and not errors:
        yield UserError(f"{path}: no photograph is in it, by the suffixes of the names")
