"""Predict many images: find those that a command line names, and write each one's results."""

import errno
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from glob import glob
from pathlib import Path
from threading import Semaphore
from typing import Any, BinaryIO, NamedTuple

from pipeline.core.layout import cores
from pipeline.core.terminal import UserError
from pipeline.data.classes import Classes
from pipeline.data.images import decode_image
from pipeline.deploy.predictor import Answer, Array, Predictor
from pipeline.deploy.results import (
    Drawings,
    claim_stem,
    class_shares,
    draw_results,
    foreground_box,
    image_key,
    is_result,
    real_place,
    result_files,
    save_results,
)

# The files of a folder that count as images. Some formats cannot be read, but whoever put such a
# file there means an image: it is taken, so that it is reported.
SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp"),
    *(".avif", ".jp2", ".ppm", ".pgm", ".heic", ".heif", ".hif"),
}

# Images handed out to each thread beyond the oldest unfinished one, so that a large image does not
# hold up the small ones behind it. They wait as names: each thread has one image in memory.
AHEAD = 16

DARK = "nearly black: if its 16 bits hold the 12 of a camera, multiply them by 16 first"

Report = dict[str, Any]  # one image's line of JSON, see `_predict`


class Job(NamedTuple):
    """An image to predict, and what to do with the answer."""

    name: str  # in its report
    open: Callable[[], Path | BinaryIO]
    save: Callable[[Drawings], Mapping[str, str]]  # returns the files it wrote, by kind


Note = Callable[[Path | BinaryIO, Array, Answer], None]


def find_images(arguments: Sequence[str]) -> Iterator[Path | UserError]:
    """Yield each image once, in the arguments' order; an error for each argument that names none.

    An argument is a file of any name; a folder, searched with its subfolders for SUFFIXES; or else
    a pattern such as `holiday/**/*.jpg`. Hidden files and the files of `save_results` are left out:
    the folder of results may be the images' own.
    """
    seen = set[str | UserError]()
    for argument in arguments:
        only_results = True
        for each in _named(argument):
            if isinstance(each, Path) and is_result(each):
                continue
            only_results = False
            # As a text: a path takes five times the memory.
            known = each if isinstance(each, UserError) else str(real_place(each))
            if known not in seen:
                seen.add(known)
                yield each
        if only_results:
            yield UserError(f"{argument}: nothing but results of earlier predictions")


def _named(argument: str) -> Iterator[Path | UserError]:
    """Yield at least one file or error."""
    if not argument:
        yield UserError("a name is empty: say which photograph")
        return
    path = Path(argument).expanduser() if argument.startswith("~/") else Path(argument)
    try:
        # A name goes first: with brackets in it, it would also be a pattern.
        # Not Path.glob, which refuses absolute patterns.
        names = [path] if path.exists() else sorted(glob(str(path), recursive=True))  # noqa: PTH207
        for name in names:
            yield from _files_of(Path(name))
    except OSError as error:
        yield UserError(f"{argument}: {error.strerror}")
    else:
        if not names:
            yield UserError(f"{argument}: no such file or folder, and nothing matches it")


def _files_of(path: Path) -> Iterator[Path | UserError]:
    """Yield the file itself, or the images in a folder and below it; at least one file or error."""
    if path.is_file():
        yield path
    elif not path.is_dir():
        yield UserError(f"{path}: neither a file nor a folder")
    else:
        empty, errors = True, list[OSError]()
        for folder, folders, names in os.walk(path, onerror=errors.append):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(name for name in names if not name.startswith(".")):
                if Path(name).suffix.lower() in SUFFIXES:
                    empty = False
                    yield Path(folder, name)
        yield from (UserError(f"{error.filename}: {error.strerror}") for error in errors)
        if empty and not errors:
            yield UserError(f"{path}: no file in it has the suffix of a photograph")


def folder_jobs(model: Predictor, images: Iterable[Path], out: Path) -> Iterator[Job | UserError]:
    """Yield what writes each image's results into the folder; an error where it cannot."""
    claimed: dict[str, str] = {}
    for path in images:
        if stem := claim_stem(out, path, claimed):
            files = result_files(out, stem)
            save = partial(save_results, files, identity=model.identity, key=image_key(path))
            yield Job(str(path), partial(Path, path), save)
        else:
            taken = f"{out} has other files with the names of its results: move them"
            yield UserError(f"{path}: {taken}")


def predict_all(
    model: Predictor,
    jobs: Iterable[Job | UserError],
    threads: int,
    *,
    confidence: bool = False,
    note: Note | None = None,
) -> Iterator[Report | UserError]:
    """Do the jobs; yield a report of each image, in order.

    `threads` jobs are done at once. confidence: also draw the model's confidence, if it gives one.
    note: called in these threads with each source, image and answer.
    An image that cannot be used, or whose results cannot be written, yields an error. Raises
    OSError if the disk is full.
    """
    waiting: deque[Future[Report | UserError]] = deque()
    # Threads, not processes: decoder, model and encoder release the interpreter lock.
    pool = ThreadPoolExecutor(threads)
    turns = Semaphore(cores())  # threads beyond the cores wait for a store: not with the model
    try:
        for job in jobs:
            waiting.append(pool.submit(_predict, model, job, turns, confidence, note))
            if len(waiting) > AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _predict(
    model: Predictor, job: Job | UserError, turns: Semaphore, confidence: bool, note: Note | None
) -> Report | UserError:
    start = time.perf_counter()
    if isinstance(job, UserError):
        return job
    try:
        source = job.open()
        image = decode_image(source)
        try:
            with turns:
                answer = model.predict(image, confidence or note is not None)
        except Exception as error:  # ONNX Runtime's error classes share no other base
            return UserError(f"{job.name}: the model fails: {error or type(error).__name__}")
        shown = answer.confidence if confidence else None
        files = job.save(draw_results(image, answer.mask, model.classes, shown))
        if note is not None:
            note(source, image, answer)
    except UserError as error:
        return error
    except (OSError, MemoryError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise  # the next image would not fit either
        reason = getattr(error, "strerror", None) or error or "not enough memory"
        return UserError(f"{job.name}: its results cannot be written: {reason}")
    mask, sure = answer.mask, answer.confidence
    return {
        "name": job.name,
        "width": mask.shape[1],
        "height": mask.shape[0],
        **_contents(mask, model.classes),
        "confidence": None if sure is None else round(float(sure.mean()) / 255, 4),
        "model": model.identity,
        "ms": round((time.perf_counter() - start) * 1000, 1),  # to the last file, beside the others
        "files": files,
        "warning": DARK if image.max() < 16 else None,
    }


def _contents(mask: Array, classes: Classes) -> Report:
    """Shares are of the pixels, in [0, 1]; what concerns the foreground is None if no class is."""
    shares = class_shares(mask, classes)
    named = [shares.get(classes.names[place], 0) for place in classes.foreground]
    return {
        "foreground_share": round(sum(named), 6) if named else None,
        "foreground_box": foreground_box(mask, classes),
        "shares": {name: round(share, 6) for name, share in shares.items()},
    }
