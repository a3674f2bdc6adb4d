"""Exported models on the data set: how right they are, and how close to the checkpoint."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from pipeline.core.layout import cores
from pipeline.core.terminal import UserError, track
from pipeline.data.pairs import PATHS, locate, pair_of
from pipeline.deploy.predictor import Predictor
from pipeline.scoring.confusion import Margins, count_pairs, margins, mean_iou
from pipeline.scoring.segmenter import Segmenter


def agreement(
    models: Mapping[str, Path], segmenter: Segmenter, data: Path, names: Sequence[str], workers: int
) -> dict[str, dict[str, float]]:
    """Each ONNX file's mIoU, and the share of pixels that it labels unlike the segmenter."""
    files = list(models.values())
    counted = count_pixels(files, data, names, segmenter=segmenter, workers=workers).sum(axis=2)
    found = {}
    for name, truth, original in zip(models, *counted, strict=True):
        pixels, _, same = original.sum(axis=0).tolist()
        miou = round(float(mean_iou(truth)), 6)
        found[name] = {"miou": miou, "disagreement": (pixels - same) / pixels}
    return found


def count_pixels(
    models: Sequence[Path],
    data: Path,
    names: Sequence[str],
    *,
    segmenter: Segmenter | None = None,
    workers: int | None = None,
) -> Margins:
    """Predict the named images with each ONNX file, and count pixels at the images' own size.

    Returns (R, M, N, C, 3) int64, the margins of M models of C classes on N images. R is 1,
    against the true masks, without their ignored pixels; with a segmenter 2, against its masks
    too. workers: threads (one for each core).
    Raises UserError, before the first image, if one of the files is missing, or the models do not
    have the same classes.
    """
    places = [locate(kind, name, data) for name in names for kind in PATHS]
    if missing := [str(place.file) for place in places if not place.exists]:
        raise UserError(f"{missing[0]} is missing ({len(missing)} files are): run `dvc checkout`")
    predictors = [Predictor(model, threads=1) for model in models]  # the workers fill the cores
    known = {predictor.classes.names for predictor in predictors}
    if len(known) > 1:
        raise UserError("the models have different classes, so that their scores do not compare")
    classes = len(known.pop())

    def count(name: str) -> Margins:
        """One image to (R, M, C, 3)."""
        image, truth = pair_of(name, data)
        references = [truth]
        if segmenter is not None:
            references += [mask.numpy() for mask in segmenter.segment([torch.from_numpy(image)])]
        masks = [predict(image) for predict in predictors]
        counts = [[count_pairs(true, mask, classes) for mask in masks] for true in references]
        return margins(np.array(counts))

    with (
        ThreadPoolExecutor(workers or cores()) as pool,  # torch and ONNX Runtime release the GIL
        track(pool.map(count, names), "comparing images", len(names)) as tracked,
    ):
        return np.stack(list(tracked), axis=2)
