"""Exported masks are counted against the truth, and against the checkpoint's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score
from tiny_pets import LISTS

from pipeline.data.images import load_image, load_mask
from pipeline.data.pets import image_path, mask_path
from pipeline.deploy.parity import compare

NAMES = [name for names in LISTS.values() for name in names]  # more than a batch
PETS = Path("data/pets")


@pytest.fixture
def predictors(segmenter):
    """The segmenter, and what it says with another class in the first row."""

    def same(photograph):
        return segmenter.segment([torch.from_numpy(photograph)])[0].numpy()

    def other(photograph):
        mask = same(photograph).copy()
        mask[0] = (mask[0] + 1) % 3
        return mask

    return {"same": same, "other": other}


def compared(segmenter, predictors, workers=2):
    return compare(segmenter, predictors, PETS, NAMES, classes=3, workers=workers)


def test_masks_are_counted_against_the_checkpoints(tiny_pets, segmenter, predictors):
    found = compared(segmenter, predictors)
    assert found["same"]["disagreement"] == 0
    shapes = [load_mask(mask_path(PETS, name)).shape for name in NAMES]
    first_rows = sum(width for _, width in shapes)
    pixels = sum(height * width for height, width in shapes)
    assert found["other"]["disagreement"] == first_rows / pixels


def test_the_score_is_the_mean_iou_over_all_pixels(tiny_pets, segmenter, predictors):
    found = compared(segmenter, predictors)
    truths = [load_mask(mask_path(PETS, name)) for name in NAMES]
    for name, predictor in predictors.items():
        masks = [predictor(load_image(image_path(PETS, each))) for each in NAMES]
        truth, mask = (np.concatenate([each.ravel() for each in some]) for some in (truths, masks))
        expected = jaccard_score(truth, mask, average="macro")
        assert found[name]["miou"] == pytest.approx(expected, abs=1e-6)


def test_the_number_of_workers_changes_nothing(tiny_pets, segmenter, predictors):
    assert compared(segmenter, predictors, workers=1) == compared(segmenter, predictors, workers=3)


def test_a_predictor_that_fails_is_not_passed_over(tiny_pets, segmenter):
    def failing(photograph):
        raise RuntimeError("of one picture")

    with pytest.raises(RuntimeError, match="of one picture"):
        compared(segmenter, {"failing": failing})
