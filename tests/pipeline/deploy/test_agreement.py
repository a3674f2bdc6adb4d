"""Predicted masks are counted against the true ones, and against the checkpoint's."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import jaccard_score
from tiny_models import write_threshold_model
from tiny_pets import LISTS, PETS

from pipeline.core.terminal import UserError
from pipeline.data.classes import IGNORE
from pipeline.data.images import load_image, load_mask, save_mask
from pipeline.data.pairs import image_path, mask_path
from pipeline.deploy import agreement as module
from pipeline.deploy.agreement import agreement, count_pixels
from pipeline.deploy.predictor import Predictor

NAMES = [name for names in LISTS.values() for name in names]
PAIRS = Path("data/pairs")


@pytest.fixture
def predictors(segmenter, monkeypatch, tiny_pets):
    """The segmenter itself, one with another class in the first row, and one that fails."""

    def same(image):
        return segmenter.segment(image)

    def other(image):
        mask = same(image).copy()
        mask[0] = (mask[0] + 1) % 3
        return mask

    def failing(_):
        raise RuntimeError("one image")

    predictors = {"same": same, "other": other, "failing": failing}
    for predictor in predictors.values():
        predictor.classes = PETS
    monkeypatch.setattr(module, "Predictor", lambda file, threads: predictors[str(file)])
    return predictors


def compared(segmenter, *models, workers=2):
    return agreement({name: Path(name) for name in models}, segmenter, PAIRS, NAMES, workers)


def test_pixels_are_counted_against_the_true_masks_and_the_checkpoints(segmenter, predictors):
    found = compared(segmenter, "same", "other")
    assert found == compared(segmenter, "same", "other", workers=1)
    truths = [load_mask(mask_path(PAIRS, name)) for name in NAMES]
    first_rows = sum(truth.shape[1] for truth in truths) / sum(truth.size for truth in truths)
    assert [each["disagreement"] for each in found.values()] == [0, first_rows]
    for model, agreed in found.items():
        masks = [predictors[model](load_image(image_path(PAIRS, name))) for name in NAMES]
        truth, mask = (np.concatenate([each.ravel() for each in some]) for some in (truths, masks))
        expected = jaccard_score(truth, mask, average="macro")
        assert agreed["miou"] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(RuntimeError, match="one image"):
        compared(segmenter, "failing")


def test_each_file_is_counted_on_each_image_at_its_own_size_without_ignored_pixels(tiny_pets):
    thresholds = (140, 200)
    files = [write_threshold_model(tiny_pets / f"{limit}.onnx", limit) for limit in thresholds]
    models = [Predictor(file, threads=1) for file in files]
    masks = {name: load_mask(mask_path(PAIRS, name)) for name in NAMES}
    masks[NAMES[0]][:20] = IGNORE
    save_mask(mask_path(PAIRS, NAMES[0]), masks[NAMES[0]], [(0, 0, 0)] * 256)
    counted = count_pixels(models, PAIRS, NAMES)
    assert counted.shape == (1, 2, len(NAMES), 3, 3)
    for limit, images in zip(thresholds, counted[0], strict=True):
        for name, margins in zip(NAMES, images, strict=True):
            mask = masks[name]
            predicted = np.where(load_image(image_path(PAIRS, name)).max(axis=2) < limit, 1, 0)
            for kind in range(3):
                true, called = mask == kind, (predicted == kind) & (mask != IGNORE)
                numbers = [np.count_nonzero(each) for each in (true, called, true & called)]
                assert margins[kind].tolist() == numbers
    mask_path(PAIRS, "Bengal_5").unlink()
    with pytest.raises(UserError, match=r"Bengal_5\.png is missing \(1 file.*dvc checkout"):
        count_pixels([], PAIRS, LISTS["test"])
