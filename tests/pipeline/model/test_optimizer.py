"""The schedule by hand, and what weight decay touches."""

import math

import pytest
import torch

from pipeline.model.optimizer import build_optimizer


def rates(steps, warmup_fraction, lr=1.0):
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    optimizer, schedule = build_optimizer([(parameters, lr)], 0.0, warmup_fraction, steps)
    seen = []
    for _ in range(steps):
        seen.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return seen


def test_the_rate_warms_up_linearly_then_falls_along_a_cosine():
    seen = rates(steps=12, warmup_fraction=0.25)
    assert seen[:3] == pytest.approx([1 / 4, 2 / 4, 3 / 4])
    cosine = [(1 + math.cos(math.pi * step / 9)) / 2 for step in range(9)]
    assert seen[3:] == pytest.approx(cosine)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_very_short_training_has_a_schedule_too(steps):
    assert all(0 < rate <= 1 for rate in rates(steps, warmup_fraction=0.1))


def test_weight_decay_spares_biases_and_batch_norm():
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer, _ = build_optimizer([(module.parameters(), 0.1)], 0.5, 0.0, 10)
    decays = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    assert {name: decays[id(p)] for name, p in module.named_parameters()} == {
        "0.weight": 0.5,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
    }


def test_each_part_has_its_own_rate_and_all_follow_one_schedule():
    encoder, rest = (torch.nn.Linear(2, 2) for _ in range(2))
    optimizer, schedule = build_optimizer(
        [(encoder.parameters(), 0.1), (rest.parameters(), 0.4)], 0.5, 0.25, 8
    )
    for _ in range(8):
        of = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
        assert {of[id(p)] * 4 for p in encoder.parameters()} == {
            of[id(p)] for p in rest.parameters()
        }
        optimizer.step()
        schedule.step()
