"""From a split list to batches of tensors."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from pipeline.core.terminal import UserError
from pipeline.data.cache import Pictures

GPU_WORKERS = 8  # processes

Augment = Callable[[Tensor, Tensor, np.random.Generator], tuple[Tensor, Tensor]]
Position = tuple[int, int]  # epoch, and place in the list
Batches = Sampler[list[Position]] | list[list[Position]]


class PairDataset(Dataset[tuple[Tensor, Tensor]]):
    """The pairs of a split list at one square size.

    An item, by epoch and place, is an image (3, S, S) uint8 RGB and its mask (S, S) int64 of class
    ids, and IGNORE. With `augment` it varies from epoch to epoch; the same place of the same epoch
    is the same in every process and in every order.
    """

    def __init__(self, pictures: Pictures, augment: Augment | None = None, seed: int = 0) -> None:
        self.pictures = pictures
        self.augment = augment
        self.seed = seed

    def __len__(self) -> int:
        return len(self.pictures.images)

    def __getitem__(self, position: Position) -> tuple[Tensor, Tensor]:
        epoch, place = position
        image, mask = self.pictures.images[place], self.pictures.masks[place]
        if self.augment is not None:
            random = np.random.default_rng((self.seed, epoch, place))
            image, mask = self.augment(image, mask, random)
        return image, mask.long()


class ShuffledBatches(Sampler[list[Position]]):
    """The places of a list in a new order each epoch, in batches of nearly equal size.

    Every place comes once an epoch. No batch is dropped, and none is a rest of one or two images,
    which would upset the batch norm. Each of several processes gets its share of every batch;
    together they get what one process would.
    """

    def __init__(
        self, places: int, batch_size: int, seed: int, rank: int = 0, processes: int = 1
    ) -> None:
        """`batch_size`: the most images in a batch of all processes together.

        Raises UserError if a process would get no image.
        """
        self.places, self.seed = places, seed
        self.rank, self.processes = rank, processes
        self.batches = -(-places // batch_size)
        self.epoch = 0
        if places // self.batches < processes:
            remedy = "lower train.processes" if places < processes else "raise train.batch_size"
            raise UserError(
                f"{places} pictures in batches of {batch_size} are too few for {processes}"
                f" processes: {remedy}"
            )

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[Position]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.places)
        for batch in np.array_split(order, self.batches):
            share = np.array_split(batch, self.processes)[self.rank]
            yield [(self.epoch, place) for place in share.tolist()]


def batches_in_order(
    places: int, batch_size: int, rank: int = 0, processes: int = 1
) -> list[list[Position]]:
    """Each place of a list once, in batches; of several processes each gets every n-th place."""
    mine = [(0, place) for place in range(rank, places, processes)]
    return [mine[start : start + batch_size] for start in range(0, len(mine), batch_size)]


def load(dataset: PairDataset, batches: Batches, device: torch.device) -> DataLoader:
    """Load the dataset by batches of positions.

    For a GPU, processes augment ahead; a CPU needs those cores for the training itself.
    """
    workers = GPU_WORKERS if device.type == "cuda" else 0
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=workers > 0,
    )
