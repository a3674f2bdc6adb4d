"""What trains a network: optimizer and schedule, one epoch, and a training that continues."""

import io
import math
from functools import partial

import pytest
import torch
from lightning_fabric import Fabric
from tiny_models import random_network
from torch import nn

from pipeline.model.losses import segmentation_loss
from pipeline.model.settings import ModelParams
from pipeline.model.training import (
    Learner,
    best_row,
    build_learner,
    build_optimizer,
    curve_table,
    kept_epoch,
    resume,
    train_one_epoch,
    validate,
)
from pipeline.scoring.confusion import confusion_matrix

FABRIC = Fabric(accelerator="cpu", devices=1)
FEATURES = {"plain": (4, 8), "efficientnet_lite0": (4, 4, 4, 4, 8)}
STEPS = 6


class Kept:
    """A training's state that goes through the bytes of a file."""

    def __init__(self, saved):
        buffer = io.BytesIO()
        torch.save(saved, buffer)
        buffer.seek(0)
        self.load = partial(torch.load, buffer, weights_only=True)


def new_learner(encoder="plain", seed=0, factor=0.25, frozen=0):
    torch.manual_seed(seed)
    return build_learner(
        FABRIC,
        ModelParams(FEATURES[encoder], encoder),
        3,
        lr=0.01,
        encoder_lr_factor=factor,
        frozen_levels=frozen,
        weight_decay=0.1,
        warmup_fraction=0.5,
        steps=STEPS,
    )


def batches():
    random = torch.Generator().manual_seed(0)
    return [
        (
            torch.randint(0, 256, (4, 3, 32, 32), generator=random, dtype=torch.uint8),
            torch.randint(0, 3, (4, 32, 32), generator=random),
        )
        for _ in range(STEPS)
    ]


def train(learner, made):
    return train_one_epoch(learner, made, segmentation_loss, max_gradient_norm=1.0)


def leaves(state):
    """Every tensor (its bytes), number and text in a nested state, with the path to it."""
    if isinstance(state, dict | list | tuple):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        return [(f"{key}.{path}", leaf) for key, value in items for path, leaf in leaves(value)]
    return [("", state.numpy().tobytes() if isinstance(state, torch.Tensor) else state)]


def by_parameter(learner, key):
    """A setting of the optimizer's groups, by the name of each parameter."""
    groups = learner.optimizer.param_groups
    values = {id(weight): group[key] for group in groups for weight in group["params"]}
    assert len(values) == sum(len(group["params"]) for group in groups)  # each of them once
    return {name: values.pop(id(p)) for name, p in learner.network.named_parameters()}


@pytest.mark.parametrize("encoder", FEATURES)
@pytest.mark.parametrize("steps", [1, 4])  # within the warm-up, and after it
def test_a_resumed_training_ends_as_an_uninterrupted_one(encoder, steps):
    whole = new_learner(encoder)
    train(whole, batches())

    first = new_learner(encoder)
    train(first, batches()[:steps])
    second = new_learner(encoder, seed=1)
    kept = {"learner": first.state_dict(), "rows": [{"epoch": 1}], "best": {"a": torch.ones(2)}}
    rows, best = resume(second, Kept(kept))
    assert rows == kept["rows"]
    assert best["a"].tolist() == [1, 1]
    train(second, batches()[steps:])
    assert leaves(second.state_dict()) == leaves(whole.state_dict())


def test_a_state_without_a_learner_leaves_the_network_as_it_is():
    learner = new_learner()
    before = leaves(learner.state_dict())
    assert resume(learner, Kept(None)) == ([], {})
    saved = {"learner": None, "rows": [1], "best": {"a": 2}}
    assert resume(learner, Kept(saved)) == ([1], {"a": 2})
    assert leaves(learner.state_dict()) == before


@pytest.mark.parametrize("encoder", FEATURES)
def test_the_first_step_is_adamws_for_every_element(encoder):
    """The fused AdamW goes through memory in storage order: a gradient laid out otherwise than its
    weight would silently train the wrong elements.
    """
    learner = new_learner(encoder)
    before = {name: weight.detach().clone() for name, weight in learner.network.named_parameters()}
    rates, decays = by_parameter(learner, "lr"), by_parameter(learner, "weight_decay")
    for name, rate in rates.items():  # the first of three steps that warm up to 0.01
        highest = 0.0025 if name.startswith("encoder.") else 0.01
        assert rate == pytest.approx(highest / 4), name
    for name, weight in before.items():  # biases and batch norm are spared
        assert decays[name] == (0.0 if weight.ndim == 1 else 0.1), name
    train(learner, batches()[:1])
    for name, weight in learner.network.named_parameters():
        # Both moments are corrected for their start: the sign of the first gradient is left.
        direction = weight.grad / (weight.grad.abs() + 1e-8)
        expected = before[name] * (1 - rates[name] * decays[name]) - rates[name] * direction
        torch.testing.assert_close(weight.detach(), expected, rtol=0, atol=1e-6, msg=name)
    assert not all(p.is_contiguous() for p in learner.network.parameters())  # channels_last


@pytest.mark.parametrize("levels", [1, 2, 5])
def test_frozen_levels_give_the_same_maps_after_training_and_the_others_learn(levels):
    learner, images = new_learner("efficientnet_lite0", frozen=levels), torch.randn(2, 3, 64, 64)
    network = learner.network

    def maps():
        with torch.no_grad():
            return network.eval().encoder(images)

    before = maps()
    train(learner, batches())
    same = [torch.equal(*pair) for pair in zip(before, maps(), strict=True)]
    assert same == [level <= levels for level in range(6)]  # the image is the first of them


def test_images_are_normalised_before_the_network_and_not_in_it():
    learner = new_learner("efficientnet_lite0")
    images = batches()[0][0]
    learner.model.eval()
    with torch.no_grad():
        normalised = learner.network((images.float() - 127) / 128)
        torch.testing.assert_close(learner.model(images), normalised)
    assert not [name for name in learner.network.state_dict() if "mean" in name.split(".")]


def rates_of(steps, warmup_fraction):
    parts = [([nn.Parameter(torch.zeros(1))], 1.0), ([nn.Parameter(torch.zeros(1))], 0.25)]
    optimizer, schedule = build_optimizer(parts, 0.0, warmup_fraction, steps)
    seen = []
    for _ in range(steps):
        rates = [group["lr"] for group in optimizer.param_groups if group["params"]]
        assert rates[1] == pytest.approx(rates[0] / 4)  # all parts follow one schedule
        seen.append(rates[0])
        optimizer.step()
        schedule.step()
    return seen


def test_the_rate_warms_up_linearly_then_follows_a_cosine():
    seen = rates_of(steps=12, warmup_fraction=0.25)
    assert seen[:3] == pytest.approx([1 / 4, 2 / 4, 3 / 4])
    assert seen[3:] == pytest.approx([(1 + math.cos(math.pi * step / 9)) / 2 for step in range(9)])
    for steps in (1, 2, 3):
        assert all(0 < rate <= 1 for rate in rates_of(steps, warmup_fraction=0.1))


def mean_difference(logits, masks):
    """A loss with an easy gradient: minus one for the head's bias."""
    return (masks[:, None] - logits).mean()


def one_weight(lr=0.1):
    model = nn.Conv2d(1, 1, kernel_size=1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    optimizer, schedule = build_optimizer([(model.parameters(), lr)], 0.0, 0.0, 100)
    return Learner(FABRIC, model, *FABRIC.setup(model, optimizer), schedule)


def batch(value, images=2):
    return torch.zeros(images, 1, 2, 2), torch.full((images, 2, 2), value)


def test_the_loss_is_the_mean_over_images_and_each_batch_a_step():
    made = [batch(1, images=3), batch(5, images=1)]
    loss = train_one_epoch(one_weight(lr=1e-9), made, mean_difference, 1.0)
    assert loss == pytest.approx((3 * 1 + 1 * 5) / 4, abs=1e-6)
    learner = one_weight()
    train_one_epoch(learner, [batch(1)] * 3, mean_difference, 1.0)
    assert learner.schedule.last_epoch == 3
    # AdamW's first steps have the length of the learning rate, whatever the gradient's size.
    assert learner.network.bias.item() == pytest.approx(0.05 + 0.1 + 0.1, rel=0.01)


def test_gradients_are_clipped_and_a_nan_loss_stops_the_training():
    learner = one_weight()
    train_one_epoch(learner, [batch(1)], lambda *each: 1000 * mean_difference(*each), 0.5)
    assert learner.network.bias.grad.norm().item() == pytest.approx(0.5, rel=1e-3)
    with pytest.raises(FloatingPointError, match="nan"):
        train_one_epoch(one_weight(), [batch(1)], lambda logits, _: logits.mean() * math.nan, 1.0)


def test_validation_sums_the_confusion_and_changes_nothing():
    network = random_network(ModelParams(features=(4,)), 8)
    before = leaves(network.state_dict())
    images, masks = torch.randn(5, 3, 8, 8), torch.randint(0, 3, (5, 8, 8))
    made = [(images[:3], masks[:3]), (images[3:], masks[3:])]
    count = partial(confusion_matrix, classes=3)
    learner = Learner(FABRIC, network, network, None, None)
    loss, counts = validate(learner, made, segmentation_loss, count)

    assert leaves(network.state_dict()) == before
    with torch.no_grad():
        logits = network.eval()(images)
    assert torch.equal(counts, count(masks, logits.argmax(1)))
    by_batch = [segmentation_loss(logits[:3], masks[:3]), segmentation_loss(logits[3:], masks[3:])]
    assert loss == pytest.approx((3 * by_batch[0].item() + 2 * by_batch[1].item()) / 5, rel=1e-5)


def row(number, miou):
    val = {"loss": 0.5, "miou": miou, "iou": {"pet": miou, "border": None}}
    return {"epoch": number, "time": 1, "train": {"loss": 1 / number, "lr": 0.1}, "val": val}


@pytest.mark.parametrize(("scores", "best"), [([0.25], 1), ([0.5, 0.75, 0.75, 0.25], 2)])
def test_the_kept_epoch_is_the_first_of_the_highest_score(scores, best):
    rows = [row(number, score) for number, score in enumerate(scores, 1)]
    assert best_row(rows) is rows[best - 1]
    expected = {"best_epoch": best, "train_loss": 1 / best, "val": rows[best - 1]["val"]}
    assert kept_epoch(rows) == expected


def test_the_curve_table_is_flat_and_has_no_time():
    table = curve_table([row(1, 0.25), row(2, 0.5)])
    val = ["val_loss", "val_miou", "val_iou_pet", "val_iou_border"]
    assert table.columns.tolist() == ["epoch", "train_loss", "train_lr", *val]
    assert table["epoch"].tolist() == [1, 2]
    assert table["train_loss"].tolist() == [1, 0.5]
    assert table["val_iou_border"].isna().all()
