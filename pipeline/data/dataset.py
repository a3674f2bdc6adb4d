"""From a split list to tensors: decoded once, resized, held in memory."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.data.pets import image_path, load_image, load_mask, mask_path
from pipeline.data.transforms import resize_image, resize_mask
from pipeline.terminal import UserError, track

Augment = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def read_split(file: Path) -> pd.DataFrame:
    """The table of a split list: name, breed, species. Raises UserError if missing or empty."""
    if not file.exists():
        raise UserError(f"{file} is missing: run the split stage first (dvc repro split)")
    table = pd.read_csv(file)
    if table.empty:
        raise UserError(f"{file} lists no pictures: check the data set and split.val_fraction")
    return table


class PetDataset(Dataset[tuple[Tensor, Tensor]]):
    """The pairs of a split list at one square size.

    An item is an image (3, S, S) uint8 RGB and its mask (S, S) int64 of class ids. With `augment`
    it varies from epoch to epoch, by a seed of its own: the same item of the same epoch is the
    same on any number of workers, in any order.
    """

    def __init__(
        self,
        folder: Path,
        names: list[str],
        size: int,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        self.augment = augment
        self.seed = seed
        self.epoch = 0
        self.images = torch.empty(len(names), 3, size, size, dtype=torch.uint8)
        self.masks = torch.empty(len(names), size, size, dtype=torch.uint8)

        def load(position: int) -> None:
            image = torch.from_numpy(load_image(image_path(folder, names[position])))
            mask = torch.from_numpy(load_mask(mask_path(folder, names[position])))
            self.images[position] = resize_image(image.permute(2, 0, 1), size)
            self.masks[position] = resize_mask(mask, size)

        with (
            ThreadPoolExecutor() as pool,  # decoding leaves the interpreter lock
            track(pool.map(load, range(len(names))), "decoding", len(names)) as loaded,
        ):
            for _ in loaded:
                pass

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        image, mask = self.images[position], self.masks[position]
        if self.augment is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(hash((self.seed, self.epoch, position)))
                image, mask = self.augment(image, mask)
        return image, mask.long()
