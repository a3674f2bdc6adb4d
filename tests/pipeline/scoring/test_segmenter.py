"""Image in, mask out: the resizing and normalising against an independent implementation."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_models import random_network
from tiny_pets import PETS

from pipeline.data.settings import Normalisation
from pipeline.model.settings import ModelConfig, ModelParams
from pipeline.scoring.segmenter import Segmenter

CONFIG = ModelConfig(
    ModelParams(features=(4,)),
    PETS,
    32,
    Normalisation(mean=(0.5, 0.25, 0.0), std=(0.5, 1.0, 2.0)),
)


def image(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (height, width, 3), dtype=torch.uint8, generator=generator)


@pytest.fixture
def segmenter():
    return Segmenter(random_network(CONFIG.model, CONFIG.image_size), CONFIG).eval()


def test_prepare_stretches_as_pillow_does_and_normalises(segmenter):
    picture = image(75, 100)
    with_pillow = Image.fromarray(picture.numpy()).resize((32, 32), Image.Resampling.BILINEAR)
    expected = (np.asarray(with_pillow) / 255 - [0.5, 0.25, 0.0]) / [0.5, 1.0, 2.0]
    prepared = segmenter.prepare(picture)[0].permute(1, 2, 0).numpy()
    # Pillow rounds to whole levels, once a direction.
    np.testing.assert_allclose(prepared, expected, atol=2 / 255 / 0.5)


def test_a_batch_of_mixed_sizes_gives_each_its_own_mask(segmenter):
    images = [image(40, 50, seed=1), image(33, 20, seed=2), image(32, 32), image(1, 1)]
    batch = segmenter.logits([segmenter.prepare(picture) for picture in images])
    for logits, picture in zip(batch, images, strict=True):
        mask = segmenter.restore(logits[None], *picture.shape[:2])
        assert (mask.shape, mask.dtype) == (picture.shape[:2], torch.uint8)
        # The last bits of a batch may differ from those of a single image.
        assert (mask != segmenter(picture)).float().mean() < 0.01


def test_restore_upscales_the_scores_not_the_classes(segmenter):
    logits = torch.zeros(1, 3, 2, 2)
    logits[0, 0, :, 0] = 1.0  # left half: class 0 at 1
    logits[0, 1, :, 1] = 3.0  # right half: class 1 at 3
    mask = segmenter.restore(logits, 2, 8)
    # Half-pixel centres: weights of the right column 0, 0, 1/8, 3/8, 5/8, 7/8, 1, 1.
    weights = [0, 0, 1 / 8, 3 / 8, 5 / 8, 7 / 8, 1, 1]
    assert mask.tolist() == [[int(3 * right > 1 - right) for right in weights]] * 2
