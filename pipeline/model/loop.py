"""One epoch of training, one of validation: no files, no tracking, no progress bar."""

import math
from collections.abc import Callable, Iterable

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

Batches = Iterable[tuple[Tensor, Tensor]]  # images (N, 3, H, W), masks (N, H, W) int64
Loss = Callable[[Tensor, Tensor], Tensor]  # the mean over the images of a batch


def train_one_epoch(
    fabric: Fabric,
    model: nn.Module,
    batches: Batches,
    loss_function: Loss,
    *,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    max_gradient_norm: float,
) -> float:
    """Take one optimizer step a batch; return the mean loss per image, of all processes.

    Model and optimizer are set up by `fabric`. Raises FloatingPointError when the loss is no
    longer finite: further epochs are wasted.
    """
    model.train()
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
        schedule.step()
        # Not .item(): a GPU shall not wait for the answer at every step.
        sums += torch.stack([loss.detach() * len(images), sums.new_tensor(len(images))])
    return _mean_loss(fabric, sums, "training")


@torch.inference_mode()
def validate(
    fabric: Fabric,
    model: nn.Module,
    batches: Batches,
    loss_function: Loss,
    count_pixels: Callable[[Tensor, Tensor], Tensor],
) -> tuple[float, Tensor]:
    """Return the mean loss per image and the sum of `count_pixels(truth, prediction)`.

    count_pixels takes two (N, H, W) tensors of class ids and gives a confusion matrix. Both
    results are those of all processes' batches together, by the batch norm of the first, which is
    kept; the matrix is on the CPU. Raises FloatingPointError as training does.
    """
    model.eval()
    _share_buffers(fabric, model)
    sums = torch.zeros(2, device=fabric.device)
    nothing = torch.zeros(0, dtype=torch.int64, device=fabric.device)
    confusion = count_pixels(nothing, nothing)  # of a process without a batch, too
    for images, masks in batches:
        truth = masks.to(fabric.device)
        logits = model(_to(images, fabric))
        sums += torch.stack(
            [loss_function(logits, truth) * len(images), sums.new_tensor(len(images))]
        )
        confusion = confusion + count_pixels(truth, logits.argmax(dim=1))
    loss = _mean_loss(fabric, sums, "validation")
    return loss, fabric.all_reduce(confusion, reduce_op="sum").cpu()  # type: ignore[union-attr]


def _mean_loss(fabric: Fabric, sums: Tensor, kind: str) -> float:
    """The loss per image of all processes, from each one's sums of losses and images."""
    total, count = fabric.all_reduce(sums, reduce_op="sum").tolist()  # type: ignore[union-attr]
    if not math.isfinite(total):
        raise FloatingPointError(f"the {kind} loss became {total}")
    return total / count


def _to(images: Tensor, fabric: Fabric) -> Tensor:
    """To the device in channels_last, the layout that convolutions are fastest in."""
    return images.to(fabric.device, non_blocking=True, memory_format=torch.channels_last)


def _share_buffers(fabric: Fabric, model: nn.Module) -> None:
    """Give every process what the first one's batch norm has seen."""
    if fabric.world_size > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, src=0)


def _weight(fabric: Fabric, images: int) -> float:
    """What makes the mean of the processes' gradients that of the batch that they share."""
    if fabric.world_size == 1:
        return 1.0
    counted = torch.tensor(float(images), device=fabric.device)
    mean = fabric.all_reduce(counted, reduce_op="mean")
    return images / float(mean)  # type: ignore[arg-type]
