"""What is trained: its parts learn at their own rates, and it goes on as if never stopped."""

import io

import pytest
import torch
from lightning_fabric import Fabric

from pipeline.model.learner import build_learner, go_on
from pipeline.model.loop import train_one_epoch
from pipeline.model.losses import segmentation_loss
from pipeline.model.settings import ModelParams

FABRIC = Fabric(accelerator="cpu", devices=1)
FEATURES = {"plain": (4, 8), "efficientnet_lite0": (4, 4, 4, 4, 8)}
STEPS = 6


@pytest.fixture(autouse=True)
def one_thread():
    """More than one only wait for each other on pictures as small as these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def new_learner(encoder, seed=0, factor=0.25):
    torch.manual_seed(seed)
    return build_learner(
        FABRIC,
        ModelParams(FEATURES[encoder], encoder),
        3,
        lr=0.01,
        encoder_lr_factor=factor,
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
    return train_one_epoch(
        FABRIC,
        learner.model,
        made,
        segmentation_loss,
        optimizer=learner.optimizer,
        schedule=learner.schedule,
        max_gradient_norm=1.0,
    )


def to_disk_and_back(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def leaves(state):
    """Every tensor (its bytes), number and text in a nested state, with the way to it."""
    if isinstance(state, dict | list | tuple):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        return [(f"{key}.{way}", leaf) for key, value in items for way, leaf in leaves(value)]
    return [("", state.numpy().tobytes() if isinstance(state, torch.Tensor) else state)]


@pytest.mark.parametrize("encoder", FEATURES)
@pytest.mark.parametrize("steps", [1, 4])  # within the warm-up, and after it
def test_training_that_goes_on_ends_as_one_that_was_never_stopped(encoder, steps):
    whole = new_learner(encoder)
    train(whole, batches())

    first = new_learner(encoder)
    train(first, batches()[:steps])
    second = new_learner(encoder, seed=1)
    kept = {"learner": first.state_dict(), "rows": [{"epoch": 1}], "best": {"a": torch.ones(2)}}
    rows, best = go_on(second, to_disk_and_back(kept))
    assert rows == kept["rows"]
    assert best["a"].tolist() == [1, 1]
    train(second, batches()[steps:])
    assert leaves(second.state_dict()) == leaves(whole.state_dict())


@pytest.mark.parametrize("encoder", FEATURES)
def test_the_first_step_is_adamw_s_element_by_element(encoder):
    """The fused AdamW goes through memory as it lies: a gradient laid out otherwise than its
    weight would train the wrong elements, without a word.
    """
    learner = new_learner(encoder)
    before = {name: weight.detach().clone() for name, weight in learner.network.named_parameters()}
    rates = {
        id(weight): (group["lr"], group["weight_decay"])
        for group in learner.optimizer.param_groups
        for weight in group["params"]
    }
    train(learner, batches()[:1])
    for name, weight in learner.network.named_parameters():
        lr, decay = rates[id(weight)]
        # Both moments are corrected for their start: of the first gradient the sign is left.
        direction = weight.grad / (weight.grad.abs() + 1e-8)
        expected = before[name] * (1 - lr * decay) - lr * direction
        torch.testing.assert_close(weight.detach(), expected, rtol=0, atol=1e-6, msg=name)
    laid_out = [p for p in learner.network.parameters() if not p.is_contiguous()]
    assert laid_out  # in channels_last


def test_a_training_that_was_never_stopped_begins_with_nothing():
    learner = new_learner("plain")
    before = leaves(learner.state_dict())
    assert go_on(learner, None) == ([], {})
    assert leaves(learner.state_dict()) == before


@pytest.mark.parametrize("encoder", FEATURES)
def test_the_encoder_learns_at_its_own_rate(encoder):
    learner = new_learner(encoder, factor=0.25)
    rates = {
        id(weight): group["lr"]
        for group in learner.optimizer.param_groups
        for weight in group["params"]
    }
    names = {name: rates[id(weight)] for name, weight in learner.network.named_parameters()}
    # The first of three steps that warm up to the highest rate, 0.01.
    for name, rate in names.items():
        highest = 0.0025 if name.startswith("encoder.") else 0.01
        assert rate == pytest.approx(highest / 4), name


def test_the_optimizer_has_every_parameter_once():
    learner = new_learner("efficientnet_lite0")
    groups = learner.optimizer.param_groups
    given = [id(weight) for group in groups for weight in group["params"]]
    assert sorted(given) == sorted(id(weight) for weight in learner.network.parameters())


def test_photographs_are_normalised_before_the_network_and_not_in_it():
    learner = new_learner("efficientnet_lite0")
    images = batches()[0][0]
    learner.model.eval()
    with torch.no_grad():
        torch.testing.assert_close(
            learner.model(images), learner.network((images.float() - 127) / 128)
        )
    assert not [name for name in learner.network.state_dict() if "mean" in name.split(".")]
