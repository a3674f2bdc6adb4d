"""One epoch: it takes the steps it should, and adds up what it should."""

from functools import partial

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from pipeline.model.loop import train_one_epoch, validate
from pipeline.model.losses import segmentation_loss
from pipeline.model.optimizer import build_optimizer
from pipeline.model.settings import ModelParams
from pipeline.model.unet import UNet
from pipeline.scoring.confusion import confusion_matrix


def mean_difference(logits, masks):
    """A loss with an easy gradient: minus one for the head's bias."""
    return (masks[:, None] - logits).mean()


FABRIC = Fabric(accelerator="cpu", devices=1)


def one_weight(lr=0.1):
    model = nn.Conv2d(1, 1, kernel_size=1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    optimizer, schedule = build_optimizer([(model.parameters(), lr)], 0.0, 0.0, 100)
    return *FABRIC.setup(model, optimizer), schedule


def train(model, batches, loss, optimizer, schedule, max_gradient_norm=1.0):
    return train_one_epoch(
        FABRIC,
        model,
        batches,
        loss,
        optimizer=optimizer,
        schedule=schedule,
        max_gradient_norm=max_gradient_norm,
    )


def batch(value, images=2):
    return torch.zeros(images, 1, 2, 2), torch.full((images, 2, 2), value)


def test_the_loss_is_the_mean_over_images_not_over_batches():
    model, optimizer, schedule = one_weight(lr=1e-9)
    batches = [batch(1, images=3), batch(5, images=1)]
    loss = train(model, batches, mean_difference, optimizer, schedule)
    assert loss == pytest.approx((3 * 1 + 1 * 5) / 4, abs=1e-6)


def test_each_batch_is_one_step_of_optimizer_and_schedule():
    model, optimizer, schedule = one_weight()
    train(model, [batch(1)] * 3, mean_difference, optimizer, schedule)
    assert schedule.last_epoch == 3
    # AdamW's first steps have the length of the learning rate, whatever the gradient's size.
    assert model.bias.item() == pytest.approx(0.05 + 0.1 + 0.1, rel=0.01)


def test_gradients_are_clipped():
    model, optimizer, schedule = one_weight()
    train(
        model,
        [batch(1)],
        lambda logits, masks: 1000 * mean_difference(logits, masks),
        optimizer,
        schedule,
        max_gradient_norm=0.5,
    )
    assert model.bias.grad.norm().item() == pytest.approx(0.5, rel=1e-3)


def test_a_loss_that_is_not_finite_stops_the_training():
    model, optimizer, schedule = one_weight()
    with pytest.raises(FloatingPointError, match="nan"):
        train(
            model,
            [batch(1)],
            lambda logits, _: logits.mean() * float("nan"),
            optimizer,
            schedule,
        )


def test_validation_sums_the_confusion_and_changes_nothing():
    torch.manual_seed(0)
    network = UNet(ModelParams(features=(4,)))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images, masks = torch.randn(5, 3, 8, 8), torch.randint(0, 3, (5, 8, 8))
    batches = [(images[:3], masks[:3]), (images[3:], masks[3:])]
    count = partial(confusion_matrix, classes=3)
    loss, counts = validate(FABRIC, network, batches, segmentation_loss, count)

    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    with torch.no_grad():
        logits = network.eval()(images)
    assert torch.equal(counts, count(masks, logits.argmax(1)))
    by_batch = [segmentation_loss(logits[:3], masks[:3]), segmentation_loss(logits[3:], masks[3:])]
    assert loss == pytest.approx((3 * by_batch[0].item() + 2 * by_batch[1].item()) / 5, rel=1e-5)
