"""Exported models on test pictures, in confusion counts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pipeline.core.terminal import UserError, track
from pipeline.data.images import load_image, load_mask
from pipeline.data.pets import CLASSES, image_path, mask_path
from pipeline.deploy.predictor import Predictor
from pipeline.scoring.confusion import Counts, confusion_matrix


def count_pixels(models: Sequence[Path], pets: Path, names: Sequence[str]) -> list[Counts]:
    """The confusion matrices of each ONNX file on the named pictures: (N, C, C) int64 each.

    Each picture counts at its own size. Raises UserError, before the first one, for a picture
    that is missing.
    """
    files = [place(pets, name) for name in names for place in (image_path, mask_path)]
    if missing := [str(file) for file in files if not file.is_file()]:
        raise UserError(f"{missing[0]} is missing ({len(missing)} files are): run `dvc checkout`")
    predictors = [Predictor(model, threads=0) for model in models]  # 0: as many as there are cores
    counts = [np.zeros((len(names), len(CLASSES), len(CLASSES)), np.int64) for _ in models]
    with track(names, "scoring anew", len(names)) as tracked:
        for position, name in enumerate(tracked):
            photograph = load_image(image_path(pets, name))
            truth = torch.from_numpy(load_mask(mask_path(pets, name)))
            for predictor, matrices in zip(predictors, counts, strict=True):
                prediction = torch.from_numpy(predictor(photograph))
                matrices[position] = confusion_matrix(truth, prediction, len(CLASSES)).numpy()
    return counts
