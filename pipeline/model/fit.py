"""A training from one epoch to the next."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pipeline.core.terminal import UserError, track
from pipeline.data.dataset import ShuffledBatches
from pipeline.model.learner import Learner
from pipeline.model.loop import Loss, train_one_epoch, validate


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: mean losses per image, learning rate of its first step, and the
    validation pictures' (C, C) confusion matrix.
    """

    number: int
    lr: float
    train_loss: float
    val_loss: float
    confusion: Tensor


def fit(
    learner: Learner,
    train_batches: DataLoader,
    val_batches: DataLoader,
    loss_function: Loss,
    count_pixels: Callable[[Tensor, Tensor], Tensor],
    *,
    first: int,
    epochs: int,
    max_gradient_norm: float,
    seed: int,
) -> Iterator[Epoch]:
    """Train the learner in place from epoch `first` to `epochs`; yield after each.

    The train batches are `ShuffledBatches`. Raises UserError when the loss is no longer finite.
    """
    order = train_batches.batch_sampler
    assert isinstance(order, ShuffledBatches)
    for number in range(first, epochs + 1):
        title = f"epoch {number}/{epochs}"
        order.epoch = number
        # What a network draws (dropout) depends on the epoch alone, not on an interruption.
        torch.manual_seed(hash((seed, number, learner.fabric.global_rank)))
        lr = float(learner.schedule.get_last_lr()[-1])
        try:
            with track(train_batches, title, len(train_batches)) as batches:
                train_loss = train_one_epoch(
                    learner.fabric,
                    learner.model,
                    batches,
                    loss_function,
                    optimizer=learner.optimizer,
                    schedule=learner.schedule,
                    max_gradient_norm=max_gradient_norm,
                )
            val_loss, confusion = validate(
                learner.fabric, learner.model, val_batches, loss_function, count_pixels
            )
        except FloatingPointError as error:
            raise UserError(f"{title}: {error}; lower train.lr in params.yaml") from None
        yield Epoch(number, lr, train_loss, val_loss, confusion)
