"""The built-in sample: drawn cats and dogs of all 37 breeds, in the official archive layout.

Every image is seeded by its own name and drawn with exact arithmetic (see brush.py), so the
archives are the same bytes on every machine, whatever the number of workers.
"""

import signal
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from pipeline.core.layout import cores
from pipeline.core.terminal import track
from pipeline.data.description import SampleParams


def draw_sample(folder: Path, params: SampleParams) -> None:
    """Draw the sample in all cores and write `folder`/images.tar and `folder`/annotations.tar."""
    from pipeline.sample.archives import draw_files, write_archives  # noqa: PLC0415
    from pipeline.sample.looks import breeds  # noqa: PLC0415

    jobs = [(breed, n + 1) for breed in breeds() for n in range(params.images_per_breed)]
    draw = partial(draw_files, params.seed, (params.width, params.height))
    # spawn: a fork would copy locks that this process's threads hold. Ctrl-C is the parent's.
    spawn, deaf = get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
    pool = ProcessPoolExecutor(cores(), spawn, signal.signal, deaf)
    try:
        drawn = pool.map(draw, jobs, chunksize=4)
        with track(drawn, "drawing cats and dogs", total=len(jobs)) as pairs:
            write_archives(folder, pairs, params.images_per_breed)
    finally:
        pool.shutdown(cancel_futures=True)  # else it would draw all before it ends
