"""Predict many photographs in all cores, with a bounded number of them in memory."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.core.terminal import UserError
from pipeline.data.images import decode_image
from pipeline.data.pets import CLASSES
from pipeline.deploy.mask import predict_mask
from pipeline.deploy.results import claim_stem, photograph_key, result_files, save_results

Array = NDArray[np.uint8]

# Photographs begun or done, for each thread, beyond the first that is not: a large one does not
# hold up the small ones behind it. Waiting, they are names; in memory is one for each thread.
AHEAD = 16


@dataclass(frozen=True)
class Prediction:
    """What is said of one photograph."""

    name: str  # the path as it was given
    width: int
    height: int
    pet_share: float  # of the pixels, without the border, in [0, 1]
    pet_box: tuple[int, int, int, int] | None  # left, top, right, bottom, the last two exclusive
    ms: float  # from reading the photograph to the last file, beside other threads
    files: Mapping[str, str]  # the paths by KINDS


def predict_all(
    model: Callable[[Array], Array], photographs: Sequence[Path], out: Path, threads: int
) -> Iterator[Prediction | UserError]:
    """Write each photograph's results into the folder; yield what is said of it, in their order.

    model: (H, W, 3) uint8 RGB to (H, W) uint8 class ids, called in so many threads at once. For a
    photograph that cannot be used, and for results that cannot be written, the error is yielded.
    """
    claimed: dict[str, str] = {}
    waiting: deque[Future[Prediction | UserError]] = deque()
    # Threads, and not processes: decoder, model and encoder leave the interpreter lock.
    pool = ThreadPoolExecutor(threads)
    try:
        for photograph in photographs:
            files = _claim(out, photograph, claimed)
            waiting.append(pool.submit(_predict, model, photograph, files))
            if len(waiting) > AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _claim(out: Path, path: Path, claimed: dict[str, str]) -> dict[str, Path] | UserError:
    try:
        return result_files(out, claim_stem(out, path, claimed))
    except UserError as error:
        return error
    except OSError as error:  # a name that is too long with what is added to it
        return UserError(f"{path}: its results cannot be written: {error.strerror}")


def _predict(
    model: Callable[[Array], Array], path: Path, files: Mapping[str, Path] | UserError
) -> Prediction | UserError:
    start = time.perf_counter()
    if isinstance(files, UserError):
        return files
    try:
        photograph = decode_image(path)
        mask = predict_mask(model, photograph)
        save_results(files, photograph, mask, photograph_key(path))
    except UserError as error:
        return error
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or error or "not enough memory"
        return UserError(f"{path}: its results cannot be written: {reason}")
    pet = mask == CLASSES.index("pet")
    return Prediction(
        name=str(path),
        width=mask.shape[1],
        height=mask.shape[0],
        pet_share=round(float(pet.mean()), 6),
        pet_box=Image.fromarray(pet).getbbox(),
        ms=round((time.perf_counter() - start) * 1000, 1),
        files={kind: str(file) for kind, file in files.items()},
    )


def cores() -> int:
    """Those that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1
