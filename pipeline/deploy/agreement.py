"""Exported models on the data set: how right they are, and how close to the checkpoint."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

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
    predictors = [Predictor(file, threads=1) for file in models.values()]
    counted = count_pixels(predictors, data, names, segmenter, workers).sum(axis=2)
    found = {}
    for name, truth, original in zip(models, *counted, strict=True):
        pixels, _, same = original.sum(axis=0).tolist()
        miou = round(float(mean_iou(truth)), 6)
        found[name] = {"miou": miou, "disagreement": (pixels - same) / pixels}
    return found


def count_pixels(
    predictors: Sequence[Predictor],
    data: Path,
    names: Sequence[str],
    segmenter: Segmenter | None = None,
    workers: int | None = None,
) -> Margins:
    """Predict the named images with each exported model, and count pixels at their own size.

    Returns (R, M, N, C, 3) int64, the margins of M models of the same C classes on N images. R is
    1, against the true masks, without their ignored pixels; with a segmenter 2, against its masks
    too. workers: threads (one for each core), which is why each model should have one.
    Raises UserError, before the first image, if one of the images' files is missing.
    """
    places = [locate(kind, name, data) for name in names for kind in PATHS]
    if missing := [str(place.file) for place in places if not place.exists]:
        raise UserError(f"{missing[0]} is missing ({len(missing)} files are): run `dvc checkout`")
    classes = len(predictors[0].classes)

    def count(name: str) -> Margins:
        """One image to (R, M, C, 3)."""
        image, truth = pair_of(name, data)
        references = [truth]
        if segmenter is not None:
            references.append(segmenter.segment(image))
        masks = [predict(image) for predict in predictors]
        counts = [[count_pairs(true, mask, classes) for mask in masks] for true in references]
        return margins(np.array(counts))

    with (
        ThreadPoolExecutor(workers or cores()) as pool,  # torch and ONNX Runtime release the GIL
        track(pool.map(count, names), "comparing images", len(names)) as tracked,
    ):
        return np.stack(list(tracked), axis=2)
