"""Masks have the photograph's size; of a large one, the model sees it reduced."""

import numpy as np
import pytest
from tiny_models import BACKGROUND, BLUE, BORDER, COLOURS, GREEN, PET, RED

from pipeline.deploy import mask as module
from pipeline.deploy.mask import predict_mask


class Model:
    """Red is pet, green is border, all else is background; remembers the sizes that it saw."""

    def __init__(self):
        self.seen = []

    def __call__(self, photograph):
        assert photograph.dtype == np.uint8
        self.seen.append(photograph.shape)
        red, green = photograph[..., 0] > 128, photograph[..., 1] > 128
        return np.select([red, green], [PET, BORDER], BACKGROUND).astype(np.uint8)


def striped(height, width):
    """Three stripes side by side, and the mask that belongs to them."""
    ids = np.repeat([PET, BACKGROUND, BORDER], -(-width // 3))[:width].astype(np.uint8)
    mask = np.repeat(ids[None], height, axis=0)
    return COLOURS[mask], mask


def test_a_photograph_up_to_the_limit_is_seen_as_it_is():
    model = Model()
    photograph, mask = striped(10, module.LONGEST_SIDE)
    np.testing.assert_array_equal(predict_mask(model, photograph), mask)
    assert model.seen == [(10, module.LONGEST_SIDE, 3)]


@pytest.mark.parametrize("upright", [False, True])
def test_a_larger_one_is_reduced_to_it_and_gets_a_mask_of_its_own_size(monkeypatch, upright):
    monkeypatch.setattr(module, "LONGEST_SIDE", 60)
    photograph, mask = striped(100, 300)
    if upright:
        photograph, mask = photograph.transpose(1, 0, 2), mask.T
    model = Model()
    predicted = predict_mask(model, np.ascontiguousarray(photograph))
    assert model.seen == [(60, 20, 3) if upright else (20, 60, 3)]
    assert predicted.dtype == np.uint8
    np.testing.assert_array_equal(predicted, mask)  # the stripes' edges are multiples of five


def test_the_thinnest_photograph_keeps_one_row(monkeypatch):
    monkeypatch.setattr(module, "LONGEST_SIDE", 10)
    model = Model()
    assert predict_mask(model, np.full((1, 1000, 3), GREEN, np.uint8)).tolist() == [[BORDER] * 1000]
    assert model.seen == [(1, 10, 3)]


def test_the_colours_are_told_apart_as_the_tests_say():
    assert Model()(np.array([[RED, GREEN, BLUE]], np.uint8)).tolist() == [[0, 2, 1]]
