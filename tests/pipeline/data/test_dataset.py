"""From lists to tensors."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pets import LISTS

from pipeline.data.dataset import PetDataset, read_split
from pipeline.data.pets import image_path, load_mask, mask_path
from pipeline.data.transforms import Augmentation, AugmentationParams
from pipeline.terminal import UserError

NAMES = LISTS["train"]
VARIED = AugmentationParams(crop_min_area=0.3, brightness=0.5, contrast=0.5, saturation=0.5)


def test_pictures_are_stretched_to_the_square_as_pillow_does(tiny_pets):
    image, mask = PetDataset(tiny_pets / "data/pets", NAMES, 32)[0]
    pillow = Image.open(image_path(tiny_pets / "data/pets", NAMES[0])).resize(
        (32, 32), Image.Resampling.BILINEAR
    )
    difference = image.permute(1, 2, 0).int() - torch.from_numpy(np.array(pillow)).int()
    assert difference.abs().max() <= 1
    assert mask.dtype == torch.int64
    assert set(mask.unique().tolist()) == {0, 1, 2}


def test_classes_keep_their_share_of_the_picture(tiny_pets):
    _, mask = PetDataset(tiny_pets / "data/pets", NAMES, 48)[0]
    original = load_mask(mask_path(tiny_pets / "data/pets", NAMES[0]))
    for index in range(3):
        assert (mask == index).float().mean() == pytest.approx((original == index).mean(), abs=0.03)


def test_augmentation_depends_on_seed_epoch_and_picture_alone(tiny_pets):
    def dataset(seed=0, epoch=0):
        made = PetDataset(tiny_pets / "data/pets", NAMES, 32, Augmentation(VARIED, 32), seed)
        made.epoch = epoch
        return made

    torch.manual_seed(1)
    first = dataset()[3][0]
    torch.manual_seed(2)
    backwards = [dataset()[position][0] for position in (5, 3)]
    assert torch.equal(first, backwards[1])
    assert not torch.equal(first, dataset(epoch=1)[3][0])
    assert not torch.equal(first, dataset(seed=1)[3][0])


def test_drawing_a_picture_leaves_the_global_random_state_alone(tiny_pets):
    dataset = PetDataset(tiny_pets / "data/pets", NAMES, 32, Augmentation(VARIED, 32))
    before = torch.random.get_rng_state()
    dataset[0]
    assert torch.equal(before, torch.random.get_rng_state())


def test_photograph_and_mask_move_together():
    # A picture that shows its own mask: wherever the crop falls, they must still agree.
    mask = torch.zeros(64, 64, dtype=torch.uint8)
    mask[10:40, 5:30] = 1
    still = AugmentationParams(crop_min_area=0.2, brightness=0.0, contrast=0.0, saturation=0.0)
    augment = Augmentation(still, 64)
    for seed in range(20):
        torch.manual_seed(seed)
        image, moved = augment(mask.expand(3, 64, 64) * 255, mask)
        assert ((image[0] > 127) == moved.bool()).float().mean() > 0.97
        assert moved.unique().tolist() in ([0], [1], [0, 1])


def test_a_missing_or_empty_list_is_named(tmp_path):
    with pytest.raises(UserError, match=r"train\.csv is missing"):
        read_split(tmp_path / "train.csv")
    (tmp_path / "train.csv").write_text("name,breed,species\n")
    with pytest.raises(UserError, match=r"train\.csv lists no pictures"):
        read_split(tmp_path / "train.csv")
