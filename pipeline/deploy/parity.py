"""The exported models beside the checkpoint: their masks of the same pictures."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.core.terminal import track
from pipeline.data.images import load_image, load_mask
from pipeline.data.pets import image_path, mask_path
from pipeline.deploy.predictor import Predictor
from pipeline.scoring.confusion import Counts, confusion_matrix, mean_iou
from pipeline.scoring.segmenter import Segmenter

BATCH = 8  # pictures that a worker has in memory


class Parity(TypedDict):
    """Of one exported model on all pictures, both in [0, 1]."""

    miou: float
    disagreement: float  # the share of the pixels in which its masks are not the segmenter's


def compare(
    segmenter: Segmenter,
    predictors: Mapping[str, Predictor],
    pets: Path,
    names: Sequence[str],
    *,
    classes: int,
    workers: int,
) -> dict[str, Parity]:
    """The parity of each predictor, by its name, on the named pictures.

    The workers are threads, each with pictures of its own: torch and the predictors should have
    one thread each.
    """

    def count(batch: Sequence[str]) -> tuple[Counts, NDArray[np.int64]]:
        """Of each predictor the confusion matrix (P, C, C), and the differing pixels (P)."""
        photographs = [load_image(image_path(pets, name)) for name in batch]
        originals = segmenter.segment([torch.from_numpy(image) for image in photographs])
        counts = np.zeros((len(predictors), classes, classes), np.int64)
        differing = np.zeros(len(predictors), np.int64)
        for name, photograph, original in zip(batch, photographs, originals, strict=True):
            truth = torch.from_numpy(load_mask(mask_path(pets, name)))
            for place, predictor in enumerate(predictors.values()):
                mask = torch.from_numpy(predictor(photograph))
                counts[place] += confusion_matrix(truth, mask, classes).numpy()
                differing[place] += int(torch.count_nonzero(mask != original))
        return counts, differing

    batches = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
    with (
        ThreadPoolExecutor(workers) as pool,  # torch and ONNX Runtime leave the interpreter lock
        track(pool.map(count, batches), "comparing batches", len(batches)) as tracked,
    ):
        counts, differing = (sum(parts) for parts in zip(*tracked, strict=True))
    return {
        name: Parity(
            miou=round(float(mean_iou(counts[place])), 6),
            disagreement=int(differing[place]) / int(counts[place].sum()),
        )
        for place, name in enumerate(predictors)
    }
