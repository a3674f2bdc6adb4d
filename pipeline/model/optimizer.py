"""AdamW with a learning rate that warms up linearly and then falls along a cosine."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR


def build_optimizer(
    rates: Iterable[tuple[Iterable[nn.Parameter], float]],
    weight_decay: float,
    warmup_fraction: float,
    steps: int,
) -> tuple[torch.optim.Optimizer, LRScheduler]:
    """Return the optimizer (Loshchilov and Hutter 2019, arXiv 1711.05101) and its schedule.

    `rates` are parameters with their learning rates: the highest, reached after the fraction of
    all `steps` that warm up. Weight decay spares the vectors (biases, batch norm), whose size says
    nothing about overfitting.
    """
    groups = []
    for parameters, lr in rates:
        weights = list(parameters)
        matrices = [weight for weight in weights if weight.ndim > 1]
        vectors = [weight for weight in weights if weight.ndim <= 1]
        groups.append({"params": matrices, "lr": lr, "weight_decay": weight_decay})
        groups.append({"params": vectors, "lr": lr, "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, fused=True)
    warmup = min(max(1, round(warmup_fraction * steps)), max(1, steps - 1))
    schedule = SequentialLR(
        optimizer,
        [
            LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup),
            CosineAnnealingLR(optimizer, T_max=max(1, steps - warmup)),
        ],
        milestones=[warmup],
    )
    return optimizer, schedule
