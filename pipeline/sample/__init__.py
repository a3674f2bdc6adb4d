"""The built-in sample: drawn cats and dogs of all 37 breeds, in the official archive layout.

Every image is seeded by its own name and drawn with exact arithmetic (see brush.py), so the
archives are the same bytes on every machine, whatever the number of workers.
"""

import signal
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT
from pipeline.core.terminal import track
from pipeline.sample.archives import jpeg, png, write_archives
from pipeline.sample.breeds import BREEDS
from pipeline.sample.brush import Size
from pipeline.sample.looks import Breed
from pipeline.sample.picture import draw_pair

__all__ = ["SampleParams", "draw_sample"]


@dataclass(frozen=True, config=STRICT)
class SampleParams:
    """What to draw: images of each breed, the size of a typical one in pixels, the seed."""

    builtin: Literal["sample"]
    images_per_breed: Annotated[int, Field(ge=2, le=100_000)]
    width: Annotated[int, Field(ge=64, le=1024)]
    height: Annotated[int, Field(ge=64, le=1024)]
    seed: int


def draw_sample(folder: Path, params: SampleParams, workers: int | None = None) -> None:
    """Draw the sample and write `folder`/images.tar and `folder`/annotations.tar.

    `workers` is the number of processes, by default one for each core.
    """
    numbers = range(1, params.images_per_breed + 1)
    jobs = [(breed, f"{breed.name}_{number}") for breed in BREEDS for number in numbers]
    # spawn: a fork would copy locks that this process's threads hold. Ctrl-C is the parent's.
    spawn, deaf = get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(workers, spawn, signal.signal, deaf) as pool:
        drawn = pool.map(partial(_draw, params), jobs, chunksize=4)
        with track(drawn, "drawing cats and dogs", total=len(jobs)) as pairs:
            write_archives(folder, pairs, params.images_per_breed)


def _draw(params: SampleParams, job: tuple[Breed, str]) -> tuple[str, bytes, bytes]:
    breed, name = job
    rng = Random(f"{params.seed}:{name}")
    picture, trimap = draw_pair(breed, _size(rng, params), rng)
    return name, jpeg(picture), png(trimap)


def _size(rng: Random, params: SampleParams) -> Size:
    """A size near the typical one; every fourth picture is upright, some are nearly square."""
    width = int(params.width * rng.uniform(0.85, 1.1))
    height = int(params.height * rng.uniform(0.85, 1.1))
    kind = rng.random()
    if kind < 0.22:
        return height, width
    if kind < 0.3:
        return height, height
    return width, height
