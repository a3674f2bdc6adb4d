"""Training from top to bottom: the model and what trains it, its data, one epoch, all epochs.

Scores come from the caller: this room counts no pixels and writes no files but the resume state.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR
from torch.utils.data import DataLoader

from pipeline.core.terminal import UserError, track
from pipeline.data.cache import Pictures
from pipeline.data.dataset import Augment, PairDataset, ShuffledBatches, batches_in_order, load
from pipeline.data.transforms import Normalise
from pipeline.model.checkpoint import Weights, copy_weights
from pipeline.model.encoders import freeze_levels, load_pretrained, normalisation_of
from pipeline.model.resume import Paused, TrainingState
from pipeline.model.settings import ModelParams
from pipeline.model.unet import UNet

Batches = Iterable[tuple[Tensor, Tensor]]  # images (N, 3, H, W) uint8, masks (N, H, W) int64
Loss = Callable[[Tensor, Tensor], Tensor]  # of logits and masks: the mean over a batch's images
CountPixels = Callable[[Tensor, Tensor], Tensor]  # of true and predicted ids: a confusion matrix
Row = dict[str, Any]  # what one epoch gave; see `fit`

PARTS = ("network", "optimizer", "schedule")  # of a learner, that training changes


@dataclass(frozen=True)
class Learner:
    """A network and what trains it, set up for the engine's devices and processes.

    `model` is the network as it is trained: normalisation before it, wrapped for DDP.
    """

    fabric: Fabric
    network: nn.Module
    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler

    def state_dict(self) -> dict[str, Any]:
        """All that an interrupted training needs to end as if it had not been interrupted."""
        return {part: getattr(self, part).state_dict() for part in PARTS}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for part in PARTS:
            getattr(self, part).load_state_dict(state[part])


def build_learner(
    fabric: Fabric,
    params: ModelParams,
    classes: int,
    *,
    lr: float,
    encoder_lr_factor: float,
    frozen_levels: int,
    weight_decay: float,
    warmup_fraction: float,
    steps: int,
) -> Learner:
    """A network, with its encoder's ImageNet weights if it has some, and its optimizer.

    The encoder learns at `encoder_lr_factor` times `lr`, but for its first `frozen_levels`, which
    stay as they are; see `build_optimizer` for the rest.
    """
    network = UNet(params, classes)
    load_pretrained(network.encoder, params)
    freeze_levels(network.encoder, frozen_levels)
    rest = chain(network.decoder.parameters(), network.head.parameters())
    rates = [(network.encoder.parameters(), lr * encoder_lr_factor), (rest, lr)]
    optimizer, schedule = build_optimizer(rates, weight_decay, warmup_fraction, steps)
    model: nn.Module = nn.Sequential(Normalise(normalisation_of(params.encoder)), network)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # not implemented for a CPU
    model, wrapped = fabric.setup(model, optimizer)
    return Learner(fabric, network, model, wrapped, schedule)


def build_optimizer(
    rates: Iterable[tuple[Iterable[nn.Parameter], float]],
    weight_decay: float,
    warmup_fraction: float,
    steps: int,
) -> tuple[torch.optim.Optimizer, LRScheduler]:
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101): linear warm-up, then a cosine.

    `rates` are parameters with their highest learning rate, which is reached after
    `warmup_fraction` of all `steps`. Weight decay spares the vectors (biases, batch norm), whose
    size says nothing about overfitting.
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
    rising = LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
    falling = CosineAnnealingLR(optimizer, T_max=max(1, steps - warmup))
    return optimizer, SequentialLR(optimizer, [rising, falling], milestones=[warmup])


def build_batches(
    fabric: Fabric, pictures: Mapping[str, Pictures], augment: Augment, batch_size: int, seed: int
) -> tuple[DataLoader, DataLoader]:
    """Batches of `pictures["train"]`, augmented, and of "val": the share of this process."""
    share = {"rank": fabric.global_rank, "processes": fabric.world_size}
    train, val = PairDataset(pictures["train"], augment, seed), PairDataset(pictures["val"])
    shuffled = ShuffledBatches(len(train), batch_size, seed, **share)
    in_order = batches_in_order(len(val), batch_size, **share)
    return load(train, shuffled, fabric.device), load(val, in_order, fabric.device)


def train_one_epoch(
    learner: Learner, batches: Batches, loss_function: Loss, max_gradient_norm: float
) -> float:
    """Take one optimizer step a batch; return the mean loss per image of all processes.

    Raises FloatingPointError when the loss is no longer finite: further epochs are wasted.
    """
    fabric, model, optimizer = learner.fabric, learner.model, learner.optimizer
    for layer in model.train().modules():
        own = list(layer.parameters(recurse=False))
        if own and not any(weight.requires_grad for weight in own):
            layer.eval()  # frozen: its batch norm keeps ImageNet's statistics, too
    sums = torch.zeros(2, device=fabric.device)  # of losses and images
    for images, masks in batches:
        images, masks = _to(images, fabric), masks.to(fabric.device, non_blocking=True)  # noqa: PLW2901
        loss = loss_function(model(images), masks)
        optimizer.zero_grad()
        fabric.backward(loss * _weight(fabric, len(images)))
        fabric.clip_gradients(
            model, optimizer, max_norm=max_gradient_norm, error_if_nonfinite=False
        )
        optimizer.step()
        learner.schedule.step()
        # Not .item(), for which a GPU would wait at every step.
        sums += torch.stack([loss.detach() * len(images), sums.new_tensor(len(images))])
    return _mean_loss(fabric, sums, "training")


@torch.inference_mode()
def validate(
    learner: Learner, batches: Batches, loss_function: Loss, count_pixels: CountPixels
) -> tuple[float, Tensor]:
    """Return the mean loss per image and the (C, C) confusion matrix, on the CPU.

    Both are of all processes' batches together, with the batch norm of the first process, which
    is the one that is kept. Raises FloatingPointError as training does.
    """
    fabric, model = learner.fabric, learner.model
    model.eval()
    if fabric.world_size > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, src=0)
    sums = torch.zeros(2, device=fabric.device)
    nothing = torch.zeros(0, dtype=torch.int64, device=fabric.device)
    confusion = count_pixels(nothing, nothing)  # for a process without a batch
    for images, masks in batches:
        truth = masks.to(fabric.device)
        logits = model(_to(images, fabric))
        loss = loss_function(logits, truth)
        sums += torch.stack([loss * len(images), sums.new_tensor(len(images))])
        confusion = confusion + count_pixels(truth, logits.argmax(dim=1))
    mean = _mean_loss(fabric, sums, "validation")
    return mean, fabric.all_reduce(confusion, reduce_op="sum").cpu()  # type: ignore[union-attr]


def fit(
    learner: Learner,
    train_batches: DataLoader,
    val_batches: DataLoader,
    *,
    loss_function: Loss,
    count_pixels: CountPixels,
    score: Callable[[Tensor], dict[str, Any]],
    epochs: int,
    max_gradient_norm: float,
    seed: int,
    pause_after: float,
    state: TrainingState | None,
    log: Callable[[Row], None],
) -> tuple[list[Row], Weights]:
    """Train to the last epoch; return a row an epoch, and the weights of the best one.

    A row holds the epoch's number, the time at its end (milliseconds since 1970, as MLflow counts),
    losses, learning rate, and what `score` makes of the validation list's confusion matrix.
    `log` is called with each row. The first process has the `state`, from which an interrupted
    training continues; the others have None. Raises UserError when the loss is no longer finite,
    and Paused once `pause_after` epochs are finished and others are left (math.inf: never).
    """
    order = train_batches.batch_sampler
    assert isinstance(order, ShuffledBatches)
    rows, best = resume(learner, state)
    for row in rows:
        log(row)
    for number in range(len(rows) + 1, epochs + 1):
        if len(rows) >= pause_after:
            raise Paused(len(rows))
        title = f"epoch {number}/{epochs}"
        order.epoch = number
        # What a network draws (dropout) depends on the epoch alone, not on an interruption.
        entropy = np.random.SeedSequence((seed, number, learner.fabric.global_rank))
        torch.manual_seed(int(entropy.generate_state(1)[0]))
        train = {"loss": 0.0, "lr": float(learner.schedule.get_last_lr()[-1])}
        try:
            with track(train_batches, title, len(train_batches)) as batches:
                train["loss"] = train_one_epoch(learner, batches, loss_function, max_gradient_norm)
            loss, confusion = validate(learner, val_batches, loss_function, count_pixels)
        except FloatingPointError as error:
            raise UserError(f"{title}: {error}; lower train.lr in params.yaml") from None
        val = {"loss": loss, **score(confusion)}
        if val["miou"] is None:
            lost = "no labelled pixel of the validation list is left at this train.image_size"
            raise UserError(f"{title}: {lost}: raise it, or check the masks")
        row = {"epoch": number, "time": time.time_ns() // 10**6, "train": train, "val": val}
        rows.append(row)
        if best_row(rows) is row:
            best = copy_weights(learner.network)
        if state is not None:
            # After the last epoch only the result is needed.
            kept = learner.state_dict() if number < epochs else None
            state.save({"learner": kept, "rows": rows, "best": best})
        log(row)
    return rows, best


def resume(learner: Learner, state: TrainingState | None) -> tuple[list[Row], Weights]:
    """Bring all processes to where the training was interrupted; return its rows and best weights.

    Both are empty for a training that starts. `state` is the first process's; others have None.
    """
    saved = learner.fabric.broadcast(state.load() if state else None)
    if saved is None:
        return [], {}
    if saved["learner"] is not None:
        learner.load_state_dict(saved["learner"])
    return saved["rows"], saved["best"]


def best_row(rows: Iterable[Row]) -> Row:
    """The row with the highest validation mIoU; the first of equal ones."""
    return max(rows, key=lambda row: row["val"]["miou"])


def kept_epoch(rows: Iterable[Row]) -> dict[str, Any]:
    """The number of the best epoch, its training loss, and its validation loss and scores."""
    best = best_row(rows)
    return {"best_epoch": best["epoch"], "train_loss": best["train"]["loss"], "val": best["val"]}


def curve_table(rows: Iterable[Row]) -> pd.DataFrame:
    """The rows as a table with flat columns (val_iou_pet), without the time, which varies."""
    return pd.json_normalize(list(rows), sep="_").drop(columns="time")


def _mean_loss(fabric: Fabric, sums: Tensor, kind: str) -> float:
    """The loss per image of all processes, from each one's sums of losses and images."""
    total, count = fabric.all_reduce(sums, reduce_op="sum").tolist()  # type: ignore[union-attr]
    if not math.isfinite(total):
        raise FloatingPointError(f"the {kind} loss became {total}")
    return total / count


def _to(images: Tensor, fabric: Fabric) -> Tensor:
    """To the device in channels_last, the layout that convolutions are fastest in."""
    return images.to(fabric.device, non_blocking=True, memory_format=torch.channels_last)


def _weight(fabric: Fabric, images: int) -> float:
    """A loss's weight, so that the mean of the processes' gradients is the whole batch's."""
    if fabric.world_size == 1:
        return 1.0
    counted = torch.tensor(float(images), device=fabric.device)
    return images / float(fabric.all_reduce(counted, reduce_op="mean"))  # type: ignore[arg-type]
