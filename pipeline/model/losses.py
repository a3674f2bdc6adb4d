"""The loss: cross-entropy, which is right per pixel, plus Dice, which is right per region."""

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

from pipeline.data.classes import IGNORE


def dice_loss(logits: Tensor, masks: Tensor, smooth: float = 1.0) -> Tensor:
    """One minus the mean over images and classes of the soft Dice coefficient, in [0, 1].

    Dice = (2 sum(p g) + s) / (sum(p) + sum(g) + s), with p the softmax probability and g the truth
    of a class, summed over the pixels of an image (Milletari et al. 2016, arXiv 1606.04797, with
    their squares in the denominator left out, as is usual). The smoothing s defines the value for
    a class that is neither there nor predicted: no loss. By image, not by batch: so it is a mean
    over images, and processes that share a batch get the gradients that one alone would.

    logits: (N, C, H, W) float. masks: (N, H, W) int64 class ids; IGNORE counts for no class.
    """
    probabilities = logits.float().softmax(dim=1) * (masks != IGNORE)[:, None]
    classes = torch.arange(logits.shape[1], device=masks.device)
    truth = masks[:, None] == classes[:, None, None]  # (N, C, H, W)
    pixels = (2, 3)
    overlap = (probabilities * truth).sum(pixels)  # (N, C)
    total = probabilities.sum(pixels) + truth.sum(pixels)  # (N, C)
    return 1 - ((2 * overlap + smooth) / (total + smooth)).mean()


def segmentation_loss(
    logits: Tensor, masks: Tensor, dice_weight: float = 1.0, class_weights: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy (nats) plus the Dice loss by its weight; shapes as in `dice_loss`.

    An ignored pixel adds no entropy, but counts in the mean, so that the mean over processes that
    share a batch is that of the whole batch. class_weights: (C,), by a pixel's true class.
    """
    weights = None if class_weights is None else class_weights.to(logits.device)
    entropy = F.cross_entropy(logits.float(), masks, weights, ignore_index=IGNORE, reduction="sum")
    return entropy / masks.numel() + dice_weight * dice_loss(logits, masks)


def balanced_weights(masks: Tensor, classes: int, balance: float) -> Tensor | None:
    """What each class's pixels weigh in cross-entropy: its share of the pixels to the -`balance`.

    0 gives None: all pixels alike. 1 would give each class the same sum. A pixel weighs 1 in the
    mean; a class that is nowhere weighs nothing. masks: (N, H, W) uint8 class ids, and IGNORE.
    """
    if balance == 0:
        return None
    pixels = masks.flatten().bincount(minlength=IGNORE + 1)[:classes].double()
    shares = pixels / pixels.sum()
    weights = torch.where(shares > 0, shares, torch.inf) ** -balance
    return (weights / (weights * shares).sum()).float()
