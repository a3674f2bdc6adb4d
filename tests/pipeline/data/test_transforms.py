"""Each piece of the augmentation against torchvision's."""

import numpy as np
import pytest
import torch

from pipeline.data.settings import AugmentationParams
from pipeline.data.transforms import (
    Augmentation,
    change_brightness,
    change_contrast,
    change_saturation,
    crop_box,
    resize_image,
    resize_mask,
)
from pipeline.model.torchvision_compat import v2

F = v2.functional
BOXES = [(0, 0, 64, 64), (3, 5, 50, 41), (10, 0, 33, 64)]
SIDE = 64


@pytest.fixture
def image():
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 8, 8, generator=random) * 300 - 20
    return torch.nn.functional.interpolate(coarse, SIDE).clamp(0, 255).byte()[0]


def close(ours, theirs):
    return (ours.int() - theirs.int()).abs().max() <= 1


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("size", [32, 64, 100])
def test_a_crop_is_resized_as_torchvision_does(image, box, size):
    top, left, height, width = box
    cut = (..., slice(top, top + height), slice(left, left + width))
    theirs = F.resized_crop(image, *box, [size, size], antialias=True)
    assert close(resize_image(image[cut][None], size)[0], theirs)
    mask = image[0] % 3
    nearest = v2.InterpolationMode.NEAREST_EXACT
    theirs = F.resized_crop(mask[None], *box, [size, size], interpolation=nearest)[0]
    assert torch.equal(resize_mask(mask[cut], size), theirs)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.3, 1.9])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (change_brightness, F.adjust_brightness),
        (change_contrast, F.adjust_contrast),
        (change_saturation, F.adjust_saturation),
    ],
)
def test_a_change_of_colour_is_torchvisions(image, ours, theirs, factor):
    assert close(ours(image.float(), factor).byte(), theirs(image, factor))


@pytest.mark.parametrize("min_area", [0.08, 0.5, 0.9])
def test_crops_have_the_areas_and_shapes_that_torchvisions_have(min_area):
    random, number = np.random.default_rng(0), 2000
    ours = [crop_box(random, SIDE, min_area)[2:] for _ in range(number)]
    torch.manual_seed(0)
    crop, whole = v2.RandomResizedCrop(32, (min_area, 1.0)), torch.zeros(3, SIDE, SIDE)
    drawn = [crop.make_params([whole]) for _ in range(number)]
    theirs = [(each["height"], each["width"]) for each in drawn]
    for quantity in (np.prod, lambda sides, axis: np.divide(*np.transpose(sides))):
        mine, other = (np.sort(quantity(np.array(each), axis=1)) for each in (ours, theirs))
        assert np.abs(mine - other).mean() < 0.02 * np.ptp(other)  # between their quantiles


def test_every_box_lies_in_the_square_and_without_cropping_it_is_the_whole():
    random = np.random.default_rng(0)
    for _ in range(500):
        top, left, height, width = crop_box(random, 10, 0.05)
        assert 0 <= top <= 10 - height < 10
        assert 0 <= left <= 10 - width < 10
    assert {crop_box(random, SIDE, 1.0) for _ in range(20)} == {(0, 0, SIDE, SIDE)}


def test_half_of_the_images_are_flipped(image):
    augment, random = Augmentation(AugmentationParams(1.0, 0.0, 0.0, 0.0), SIDE), np.random
    mask = image[0] % 3
    flips = 0
    for seed in range(200):
        made, moved = augment(image, mask, random.default_rng(seed))
        flipped = not torch.equal(made, image)
        assert torch.equal(made, F.horizontal_flip(image) if flipped else image)
        assert torch.equal(moved, F.horizontal_flip(mask[None])[0] if flipped else mask)
        flips += flipped
    assert 80 < flips < 120


def test_image_and_mask_move_together():
    # An image that shows its own mask: wherever the crop falls, they must still agree.
    mask = torch.zeros(64, 64, dtype=torch.uint8)
    mask[10:40, 5:30] = 1
    still = AugmentationParams(crop_min_area=0.2, brightness=0.0, contrast=0.0, saturation=0.0)
    augment = Augmentation(still, 64)
    for seed in range(20):
        random = np.random.default_rng(seed)
        image, moved = augment(mask.expand(3, 64, 64) * 255, mask, random)
        assert ((image[0] > 127) == moved.bool()).float().mean() > 0.97
        assert moved.unique().tolist() in ([0], [1], [0, 1])
