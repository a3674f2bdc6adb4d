"""Our side: the parts of the train stage, from decoded images to the step; and what is trained."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

from lightning_fabric import Fabric
from torch import Tensor

from benchmarks.measure import Work
from pipeline.core.layout import PAIRS, SPLITS
from pipeline.data.cache import open_pictures
from pipeline.data.classes import read_classes
from pipeline.data.dataset import PairDataset, ShuffledBatches, load
from pipeline.data.settings import AugmentationParams
from pipeline.data.splits import read_split
from pipeline.data.transforms import Augmentation
from pipeline.model.losses import segmentation_loss
from pipeline.model.settings import LITE, ModelParams
from pipeline.model.training import build_learner, train_one_epoch

BATCH = 8  # images a step
SEED = 0
AUGMENTATION = AugmentationParams(crop_min_area=0.8, brightness=0.1, contrast=0.1, saturation=0.1)

REFERENCE = ModelParams(features=(64, 128, 256, 512))  # the paper's
SMALL = ModelParams(features=(16, 32, 64, 128))
LITE0 = ModelParams(features=(16, 24, 32, 64, 128), encoder=LITE)


@dataclass(frozen=True)
class Training:
    """A network, and the side of its square images in pixels."""

    model: ModelParams
    size: int


def trainings(size: int) -> dict[str, Training]:
    """What both sides train. The images of lite0 are half as large again, as with `make oxford`."""
    lite0 = Training(LITE0, size * 3 // 2)
    return {"reference": Training(REFERENCE, size), "small": Training(SMALL, size), "lite0": lite0}


def train_names() -> list[str]:
    """The training list, cut to whole batches. Raises UserError if there is none."""
    names = read_split(SPLITS / "train.csv")["name"].tolist()
    return names[: len(names) // BATCH * BATCH]


def class_number() -> int:
    """How many classes the workspace's data set has. Raises UserError if there is none."""
    return len(read_classes(PAIRS))


def our_training(fabric: Fabric, training: Training) -> Work:
    """Train a network step by step."""
    learner = build_learner(
        fabric,
        training.model,
        class_number(),
        lr=0.001,
        encoder_lr_factor=1.0,
        frozen_levels=0,
        weight_decay=0.01,
        warmup_fraction=0.1,
        steps=100_000,  # more than are ever taken
    )
    batches = our_batches(fabric, training.size)

    def work(steps: int) -> None:
        train_one_epoch(learner, islice(batches, steps), segmentation_loss, max_gradient_norm=1.0)

    return work


def our_batches(fabric: Fabric, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Augmented batches, epoch after epoch."""
    pictures = open_pictures(PAIRS, train_names(), size)
    return endless(fabric, PairDataset(pictures, Augmentation(AUGMENTATION, size), SEED), BATCH)


def endless(
    fabric: Fabric, dataset: PairDataset, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The dataset in shuffled batches, epoch after epoch: the share of this process."""
    share = {"rank": fabric.global_rank, "processes": fabric.world_size}
    order = ShuffledBatches(len(dataset), batch_size, dataset.seed, **share)
    batches = load(dataset, order, fabric.device)
    for order.epoch in count(1):
        yield from batches
