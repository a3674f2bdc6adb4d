"""Our side: the parts that the train stage puts together, from decoded pictures to the step."""

from collections.abc import Iterator
from itertools import count, islice

from lightning_fabric import Fabric
from torch import Tensor

from benchmarks.rate import Work
from benchmarks.setting import AUGMENTATION, BATCH, SEED, Setting, Training
from pipeline.data.cache import open_pictures
from pipeline.data.dataset import PetDataset, ShuffledBatches, load
from pipeline.data.pets import CLASSES
from pipeline.data.transforms import Augmentation
from pipeline.model.losses import segmentation_loss
from pipeline.model.training import Learner, build_learner, train_one_epoch

STEPS = 100_000  # of the schedule: more than are ever taken


def endless_batches(fabric: Fabric, setting: Setting, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Augmented batches of this process's share, epoch after epoch."""
    pictures = open_pictures(setting.pets, setting.names(), size)
    dataset = PetDataset(pictures, Augmentation(AUGMENTATION, size), SEED)
    order = ShuffledBatches(len(dataset), BATCH, SEED, fabric.global_rank, fabric.world_size)
    batches = load(dataset, order, fabric.device)
    for order.epoch in count(1):
        yield from batches


def our_training(fabric: Fabric, setting: Setting, training: Training) -> tuple[Learner, Work]:
    """A network with its optimizer, and its training step by step."""
    learner = build_learner(
        fabric,
        training.model,
        len(CLASSES),
        lr=0.001,
        encoder_lr_factor=1.0,
        weight_decay=0.01,
        warmup_fraction=0.1,
        steps=STEPS,
    )
    batches = endless_batches(fabric, setting, training.size)

    def work(steps: int) -> None:
        train_one_epoch(learner, islice(batches, steps), segmentation_loss, max_gradient_norm=1.0)

    return learner, work


def our_data(fabric: Fabric, setting: Setting, size: int) -> Work:
    """The data path alone: batches are made and dropped."""
    batches = endless_batches(fabric, setting, size)

    def work(steps: int) -> None:
        for _ in islice(batches, steps):
            pass

    return work
