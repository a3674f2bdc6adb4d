"""One epoch of training, one of validation: no files, no tracking, no progress bar."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

Batches = Iterable[tuple[Tensor, Tensor]]  # images (N, 3, H, W), masks (N, H, W) int64
Loss = Callable[[Tensor, Tensor], Tensor]


def train_one_epoch(
    model: nn.Module,
    batches: Batches,
    loss_function: Loss,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    *,
    max_gradient_norm: float,
) -> float:
    """Take one optimizer step a batch; return the mean loss per image.

    Raises FloatingPointError when the loss is no longer finite: further steps are wasted.
    """
    model.train()
    device = next(model.parameters()).device
    total, count = 0.0, 0
    for images, masks in batches:
        images, masks = _to(images, device), masks.to(device, non_blocking=True)  # noqa: PLW2901
        loss = loss_function(model(images), masks)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_gradient_norm)
        optimizer.step()
        schedule.step()
        total += loss.item() * len(images)
        count += len(images)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the training loss became {loss.item()}")
    return total / count


@torch.inference_mode()
def validate(
    model: nn.Module, batches: Batches, loss_function: Loss, count_pixels: Callable[..., Tensor]
) -> tuple[float, Tensor]:
    """Return the mean loss per image and the sum of `count_pixels(truth, prediction)`.

    count_pixels takes two (N, H, W) tensors of class ids and gives a confusion matrix.
    """
    model.eval()
    device = next(model.parameters()).device
    total, count, confusion = 0.0, 0, torch.zeros((), dtype=torch.int64)
    for images, masks in batches:
        logits = model(_to(images, device))
        total += loss_function(logits, masks.to(device)).item() * len(images)
        count += len(images)
        confusion = confusion + count_pixels(masks, logits.argmax(dim=1).cpu())
    return total / count, confusion


def _to(images: Tensor, device: torch.device) -> Tensor:
    """To the device in channels_last, the layout that convolutions are fastest in."""
    return images.to(device, non_blocking=True, memory_format=torch.channels_last)
