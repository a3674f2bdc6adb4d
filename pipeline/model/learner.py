"""A network together with what trains it, set up for the engine's devices and processes."""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from pipeline.data.transforms import Normalise
from pipeline.model.encoders import normalisation_of
from pipeline.model.optimizer import build_optimizer
from pipeline.model.pretrained import load_pretrained
from pipeline.model.unet import ModelParams, UNet


@dataclass(frozen=True)
class Learner:
    """`model` is the network as it is trained: normalisation before it, wrapped for DDP."""

    fabric: Fabric
    network: UNet
    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler

    def state_dict(self) -> dict[str, Any]:
        """What it takes to go on training as if nothing had happened."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])


def build_learner(
    fabric: Fabric,
    params: ModelParams,
    classes: int,
    *,
    lr: float,
    encoder_lr_factor: float,
    weight_decay: float,
    warmup_fraction: float,
    steps: int,
) -> Learner:
    """A network with its encoder's ImageNet weights if it has some, and its optimizer.

    The encoder learns at `encoder_lr_factor` times `lr`; see `build_optimizer` for the rest.
    """
    network = UNet(params, classes)
    load_pretrained(network, params)
    rest = chain(network.decoder.parameters(), network.head.parameters())
    optimizer, schedule = build_optimizer(
        [(network.encoder.parameters(), lr * encoder_lr_factor), (rest, lr)],
        weight_decay,
        warmup_fraction,
        steps,
    )
    model: nn.Module = nn.Sequential(Normalise(normalisation_of(params.encoder)), network)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # a CPU has no such thing
    model, wrapped = fabric.setup(model, optimizer)
    return Learner(fabric, network, model, wrapped, schedule)


def go_on(learner: Learner, saved: dict[str, Any] | None) -> tuple[list[Any], dict[str, Tensor]]:
    """Bring the learners of all processes to where an interrupted training was saved.

    `saved` is what the first process has kept: `learner`, its state; `rows`, one an epoch; `best`,
    the weights of the best. Returns rows and best; nothing yet if None was kept.
    """
    saved = learner.fabric.broadcast(saved)
    if saved is None:
        return [], {}
    learner.load_state_dict(saved["learner"])
    return saved["rows"], saved["best"]
