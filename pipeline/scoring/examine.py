"""The one pass over the test pictures in which everything is counted."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.core.terminal import track
from pipeline.data.images import load_image, load_mask
from pipeline.data.pets import image_path, mask_path
from pipeline.model.segmenter import Segmenter
from pipeline.scoring.measure import Measured, concatenate, measure, stack

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8], Tensor]  # photograph, mask, network's input


def examine(segmenter: Segmenter, pets: Path, names: Sequence[str], batch_size: int) -> Measured:
    """Segment the named pictures at their own sizes and count: everything, for all N of them.

    Only a batch of pictures is in memory at a time. The network runs on all threads that torch has
    here; before and after it each thread works on a picture of its own.
    """
    threads = torch.get_num_threads()
    batches = [names[start : start + batch_size] for start in range(0, len(names), batch_size)]
    measured: list[Measured] = []
    with (
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        track(batches, "evaluating batches", len(batches)) as tracked,
    ):
        for batch in tracked:
            pairs = list(pool.map(partial(_load, segmenter, pets), batch))
            logits = segmenter.logits([prepared for *_, prepared in pairs])
            # Stacked at once: of thousands of pictures, small arrays of each would be the most.
            measured.append(stack(list(pool.map(partial(_measure, segmenter), pairs, logits))))
    return concatenate(measured)


def _load(segmenter: Segmenter, pets: Path, name: str) -> Pair:
    photograph = load_image(image_path(pets, name))
    prepared = segmenter.prepare(torch.from_numpy(photograph).to(segmenter.device))
    return photograph, load_mask(mask_path(pets, name)), prepared


def _measure(segmenter: Segmenter, pair: Pair, logits: Tensor) -> Measured:
    photograph, mask, _ = pair
    full = segmenter.enlarge(logits[None], *mask.shape)[0]  # (C, H, W)
    return measure(photograph, mask, full.numpy())
