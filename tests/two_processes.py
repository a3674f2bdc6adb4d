"""What the processes of a training compute, each or all together, from pictures that they share.

Run by torchrun, with the folder that each process writes its results to; one process alone calls
the same functions. The batch norm is frozen where not said otherwise: it is the one thing that
sees its own process's pictures only.
"""

import sys
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from pipeline.data.cache import Pictures
from pipeline.data.dataset import PairDataset, ShuffledBatches, batches_in_order, load
from pipeline.model.engine import launch
from pipeline.model.losses import segmentation_loss
from pipeline.model.settings import ModelParams
from pipeline.model.training import Learner, build_learner, train_one_epoch, validate
from pipeline.scoring.confusion import confusion_matrix


def join(processes: int) -> Fabric:
    """The engine that a training has, with one thread for each process."""
    return launch(processes, "fp32", threads=processes, seed=0)


def uneven_gradients(fabric: Fabric) -> dict[str, Tensor]:
    """The gradients of one batch, of which the two processes get four and three images."""
    learner, _ = train(fabric, images=7, batch_size=7)
    return {name: weight.grad for name, weight in learner.network.named_parameters()}


def epoch_loss(fabric: Fabric) -> float:
    """The loss of an epoch of three batches, two of which are shared evenly."""
    return train(fabric, images=11, batch_size=4)[1]


def validation_of_one_picture(fabric: Fabric) -> tuple[float, Tensor]:
    """The loss and confusion of a list that gives the second process nothing to do."""
    return score(fabric, images=1)


def validation_after_training(fabric: Fabric) -> tuple[float, Tensor, dict[str, Tensor]]:
    """Loss, confusion, and the network: here each process has moved its batch norm by itself.

    Of the pictures that are scored the second process has a batch less.
    """
    learner, _ = train(fabric, images=8, batch_size=4, frozen=False)
    return *score(fabric, images=5, learner=learner), learner.network.state_dict()


CASES = (uneven_gradients, epoch_loss, validation_after_training, validation_of_one_picture)


def train(
    fabric: Fabric, images: int, batch_size: int, frozen: bool = True
) -> tuple[Learner, float]:
    """A learner after an epoch, with the gradients of its last step, and the epoch's loss."""
    learner = new_learner(fabric, frozen)
    share = {"rank": fabric.global_rank, "processes": fabric.world_size}
    batches = ShuffledBatches(images, batch_size, 0, **share)
    loaded = load(PairDataset(pictures(images)), batches, fabric.device)
    return learner, train_one_epoch(learner, loaded, segmentation_loss, max_gradient_norm=1e6)


def score(fabric: Fabric, images: int, learner: Learner | None = None) -> tuple[float, Tensor]:
    """What `validate` says of a network, by default a new one."""
    batches = batches_in_order(images, 2, fabric.global_rank, fabric.world_size)
    return validate(
        learner or new_learner(fabric),
        load(PairDataset(pictures(images)), batches, fabric.device),
        segmentation_loss,
        partial(confusion_matrix, classes=3),
    )


def new_learner(fabric: Fabric, frozen: bool = True) -> Learner:
    torch.manual_seed(0)
    learner = build_learner(
        fabric,
        ModelParams(features=(4, 8)),
        3,
        lr=0.001,
        encoder_lr_factor=1.0,
        frozen_levels=0,
        weight_decay=0.01,
        warmup_fraction=0.0,
        steps=10,
    )
    if frozen:
        freeze_batch_norm(learner.network)
    return learner


def freeze_batch_norm(network: nn.Module) -> None:
    """Give it the statistics of some pictures, for good."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network(pictures(8).images / 128 - 1)
    for norm in norms:
        norm.eval()
        norm.train = lambda mode=True: None  # deaf to what the loop says


def pictures(count: int) -> Pictures:
    """Noise of all brightnesses, so that the statistics of any two batches differ."""
    random = torch.Generator().manual_seed(0)
    brightness = torch.rand(count, 1, 1, 1, generator=random)
    images = (256 * brightness * torch.rand(count, 3, 32, 32, generator=random)).byte()
    masks = torch.randint(0, 3, (count, 32, 32), generator=random, dtype=torch.uint8)
    return Pictures(images, masks, "random")


def main() -> None:
    fabric = join(processes=2)
    for case in CASES:
        torch.save(case(fabric), Path(sys.argv[1]) / f"{case.__name__}-{fabric.global_rank}.pt")


if __name__ == "__main__":
    main()
