"""The loss against numbers worked out by hand."""

import math

import pytest
import torch

from pipeline.data.classes import IGNORE
from pipeline.model.losses import balanced_weights, dice_loss, segmentation_loss


def test_uniform_logits_by_hand():
    masks = torch.tensor([[[0, 1, 2]]])
    # Each class: overlap 1/3, predicted mass 1, true mass 1.
    dice = 1 - (2 / 3 + 1) / (2 + 1)
    assert dice_loss(torch.zeros(1, 3, 1, 3), masks).item() == pytest.approx(dice)
    for weight in (0.0, 1.0, 2.5):
        loss = segmentation_loss(torch.zeros(1, 3, 1, 3), masks, weight)
        assert loss.item() == pytest.approx(math.log(3) + weight * dice)


def test_the_loss_of_a_batch_is_the_mean_over_its_images():
    torch.manual_seed(0)
    logits, masks = torch.randn(4, 3, 5, 6), torch.randint(0, 3, (4, 5, 6))
    for loss in (dice_loss, segmentation_loss):
        alone = [loss(logits[n, None], masks[n, None]).item() for n in range(4)]
        assert loss(logits, masks).item() == pytest.approx(sum(alone) / 4)


def test_ignored_pixels_have_no_loss_and_no_gradient():
    masks = torch.tensor([[[0, 1, 2, IGNORE], [IGNORE, 1, 0, 2]]])
    valid = masks[0] != IGNORE
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 2, 4, requires_grad=True)
    dice = dice_loss(logits, masks)
    loss = segmentation_loss(logits, masks)
    # What the six valid pixels alone say, in a row; the mean is over all eight.
    alone = logits[:, :, valid][:, :, None], masks[:, valid][:, None]
    entropy = torch.nn.functional.cross_entropy(*alone, reduction="sum") / 8
    assert dice.item() == pytest.approx(dice_loss(*alone).item())
    assert loss.item() == pytest.approx((entropy + dice).item())
    for each in (dice, loss):
        (gradient,) = torch.autograd.grad(each, logits, retain_graph=True)
        assert (gradient[:, :, ~valid] == 0).all()
        assert (gradient[:, :, valid] != 0).all()
    nothing = segmentation_loss(logits, torch.full_like(masks, IGNORE))
    assert nothing.item() == 0  # each class is neither there nor predicted
    assert (torch.autograd.grad(nothing, logits)[0] == 0).all()


def test_without_ignored_pixels_the_loss_is_the_mean_cross_entropy_plus_dice_to_the_last_bit():
    torch.manual_seed(0)
    logits, masks = torch.randn(4, 11, 33, 47), torch.randint(0, 11, (4, 33, 47))
    probabilities, truth = logits.softmax(1), torch.nn.functional.one_hot(masks).movedim(-1, 1)
    overlap, total = ((probabilities * truth).sum((2, 3)), (probabilities + truth).sum((2, 3)))
    dice = 1 - ((2 * overlap + 1) / (total + 1)).mean()
    assert dice_loss(logits, masks).item() == pytest.approx(dice.item(), rel=1e-6)
    plain = torch.nn.functional.cross_entropy(logits, masks) + dice_loss(logits, masks)
    assert torch.equal(segmentation_loss(logits, masks), plain)


def test_rare_classes_weigh_more_by_hand():
    masks = torch.tensor([[[0, 0, 0, 1], [IGNORE] * 4]], dtype=torch.uint8)
    assert balanced_weights(masks, 3, 0) is None
    # Shares 3/4 and 1/4; the third class is nowhere.
    assert balanced_weights(masks, 3, 1).tolist() == pytest.approx([2 / 3, 2, 0])
    root = (3 / 4) ** 0.5 + (1 / 4) ** 0.5  # the mean of 1 / sqrt(share) over the pixels
    expected = [(4 / 3) ** 0.5 / root, 2 / root, 0]
    weights = balanced_weights(masks, 3, 0.5)
    assert weights.tolist() == pytest.approx(expected)
    logits = torch.zeros(1, 3, 2, 4)
    loss = segmentation_loss(logits, masks.long(), 0, weights)
    assert loss.item() == pytest.approx(math.log(3) * 4 / 8)  # four valid pixels of weight 1
