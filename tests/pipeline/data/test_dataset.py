"""From lists to tensors."""

import sys
from itertools import chain
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from tiny_pets import LISTS

from pipeline.core.terminal import UserError
from pipeline.data.cache import Pictures, open_pictures
from pipeline.data.dataset import PairDataset, ShuffledBatches, batches_in_order, load
from pipeline.data.settings import AugmentationParams
from pipeline.data.transforms import Augmentation

NAMES = LISTS["train"]


def data(root, size=32, augment=None, seed=0):
    return PairDataset(open_pictures(root / "data/pairs", NAMES, size), augment, seed)


VARIED = AugmentationParams(crop_min_area=0.3, brightness=0.5, contrast=0.5, saturation=0.5)


def test_augmentation_depends_on_seed_epoch_and_place_alone(tiny_pets):
    dataset, other = (data(tiny_pets, 32, Augmentation(VARIED, 32), seed) for seed in (0, 1))
    before = torch.random.get_rng_state()
    first = dataset[0, 3][0]
    assert torch.equal(before, torch.random.get_rng_state())
    backwards = [dataset[0, place][0] for place in (5, 3)]
    assert torch.equal(first, backwards[1])
    assert not torch.equal(first, dataset[1, 3][0])
    assert not torch.equal(first, other[0, 3][0])


@pytest.mark.parametrize(("places", "batch_size"), [(8, 3), (9, 3), (10, 4), (5, 8), (1, 1)])
def test_every_place_comes_once_an_epoch_in_batches_of_nearly_one_size(places, batch_size):
    batches = ShuffledBatches(places, batch_size, seed=0)
    orders = []
    for batches.epoch in (1, 2):
        made = list(batches)
        assert len(made) == len(batches)
        sizes = [len(batch) for batch in made]
        assert max(sizes) <= batch_size
        assert max(sizes) - min(sizes) <= 1
        flat = [position for batch in made for position in batch]
        assert {epoch for epoch, _ in flat} == {batches.epoch}
        orders.append([place for _, place in flat])
        assert sorted(orders[-1]) == list(range(places))
    assert places < 5 or orders[0] != orders[1]


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_batches_of_one(processes):
    alone = ShuffledBatches(31, 8, seed=5)
    shares = [ShuffledBatches(31, 8, 5, rank, processes) for rank in range(processes)]
    for whole, *parts in zip(alone, *shares, strict=True):
        assert list(chain(*parts)) == whole
        assert all(parts)
    with pytest.raises(UserError, match=r"raise train\.batch_size"):
        ShuffledBatches(9, 2, seed=0, rank=0, processes=3)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_in_order_every_place_is_read_by_one_process(processes):
    shares = [batches_in_order(7, 2, rank, processes) for rank in range(processes)]
    places = [place for batch in chain(*shares) for _, place in batch]
    assert sorted(places) == list(range(7))


def blank(file: Path, shape: tuple[int, ...]) -> torch.Tensor:
    """Nothing but zeros, which take no room on the disk, mapped as the cache maps its files."""
    np.lib.format.open_memmap(file, "w+", np.uint8, shape)
    return torch.from_numpy(np.load(file, mmap_mode="c"))


def own_memory() -> int:
    """Bytes of this process that are not pages of files."""
    memory = psutil.Process().memory_info()
    return memory.rss - memory.shared


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells pages of files apart")
def test_an_epoch_does_not_hold_the_images_that_it_has_seen(tmp_path):
    images = blank(tmp_path / "images.npy", (1024, 3, 256, 256))  # 200 MB
    pictures = Pictures(images, blank(tmp_path / "masks.npy", (1024, 256, 256)), key="")
    batches = load(PairDataset(pictures), ShuffledBatches(1024, 8, seed=0), torch.device("cpu"))
    before = own_memory()
    seen = sum(len(batch) for batch, _ in batches)
    assert seen == 1024
    assert own_memory() - before < 64 * 2**20
