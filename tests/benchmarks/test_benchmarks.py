"""The benchmark runs, and its ratios are those of its medians; no time is asserted."""

import json
import math
import sys

import pytest
import torch
from torch import nn

from benchmarks import training
from benchmarks.arithmetic import flops, step_gflop
from benchmarks.report import ratios
from benchmarks.setting import BATCH, Training
from pipeline.core.terminal import UserError
from pipeline.model.settings import ModelParams

TINY = ModelParams(features=(4, 8))
SIZES = {"reference": 32, "small": 48}
RATES = {
    *("matmul.256", "matmul.512", "data_32px", "data_48px"),
    *(
        f"{name}.{side}"
        for name in ("reference", "small", "lite0")
        for side in ("plain_0_workers", "plain_2_workers", "ours")
    ),
}
DDP_RATES = {"ddp.one_process", "ddp.two_processes", "ddp.two_apart"}
MEDIANS = {
    "matmul.256": 100.0,
    "matmul.512": 200.0,
    "data_32px": 1000.0,
    "data_48px": 600.0,
    "reference.plain_0_workers": 5.0,
    "reference.plain_2_workers": 4.0,
    "reference.ours": 10.0,
    "small.plain_0_workers": 50.0,
    "small.plain_2_workers": 80.0,
    "small.ours": 120.0,
}
GFLOP = {"reference": 80.0, "small": 4.0}  # of eight pictures


def bench(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["bench", "--size", "32", "--threads", "1", *arguments])
    training.main()


def test_the_last_line_holds_all_rates_and_ratios(tiny_pets, monkeypatch, capsys):
    sizes = {"reference": 32, "small": 32, "lite0": 48}
    tiny = {name: Training(TINY, size) for name, size in sizes.items()}
    monkeypatch.setattr(training, "trainings", lambda size: tiny)
    bench(monkeypatch, "--quick")
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    medians = found["medians"]
    assert medians.keys() >= (RATES if found["no_ddp"] else RATES | DDP_RATES)
    numbers = [*medians.values(), *found["ratios"].values(), *found["gflop_per_step"].values()]
    assert all(math.isfinite(number) and number > 0 for number in numbers)
    given = found["gflop_per_step"], found["sizes"], found["batch"]
    assert found["ratios"] == ratios(medians, *given)
    assert {"device", "threads", "precision", "torch"} <= found.keys()


def test_a_missing_data_set_says_what_to_run(tiny_pets, monkeypatch):
    with pytest.raises(UserError, match=r"nowhere/index.csv is missing: run make first"):
        bench(monkeypatch, "--pets", "nowhere")


def test_our_training_is_compared_with_the_faster_plain_one():
    found = ratios(MEDIANS, GFLOP, SIZES, batch=8)
    assert found["reference.ours_to_plain"] == 2.0
    assert found["small.ours_to_plain"] == 1.5


def test_the_data_path_is_that_of_the_training_s_pictures():
    found = ratios(MEDIANS, GFLOP, SIZES, batch=8)
    assert found["reference.data_to_training"] == 100.0
    assert found["small.data_to_training"] == 5.0


def test_the_share_is_of_the_best_matrix_product():
    found = ratios(MEDIANS, GFLOP, SIZES, batch=8)
    assert found["reference.share_of_matmul"] == 10 / 8 * 80 / 200
    assert found["small.share_of_matmul"] == 120 / 8 * 4 / 200


def test_there_is_no_share_where_the_operations_are_not_known():
    found = ratios(MEDIANS, {"reference": 80.0}, SIZES, batch=8)
    assert found["small.ours_to_plain"] == 1.5
    assert "small.share_of_matmul" not in found


def test_two_processes_are_ideal_when_they_do_twice_the_work_of_one():
    ddp = {"ddp.one_process": 60.0, "ddp.two_processes": 90.0, "ddp.two_apart": 100.0}
    found = ratios({**MEDIANS, **ddp, "ddp.one_with_two_threads": 75.0}, GFLOP, SIZES, batch=8)
    assert found["ddp.share_of_ideal"] == 0.75
    assert found["ddp.share_of_apart"] == 0.9
    assert found["ddp.to_two_threads"] == 1.2


def test_without_ddp_there_are_no_ratios_of_it():
    assert not [name for name in ratios(MEDIANS, GFLOP, SIZES, batch=8) if name.startswith("ddp")]


def test_a_convolution_is_counted_as_by_hand():
    convolution = nn.Conv2d(3, 4, kernel_size=3, padding=1, bias=False)
    forward = 2 * (2 * 4 * 8 * 8) * (3 * 3 * 3)  # a multiply-add for each output and weight
    # Backward the same for the weights; the images have no gradient.
    assert flops(convolution, torch.zeros(2, 3, 8, 8)) == 2 * forward
    # A second layer has one, for the first.
    second = nn.Conv2d(4, 4, kernel_size=1, bias=False)
    both = nn.Sequential(convolution, second)
    assert flops(both, torch.zeros(2, 3, 8, 8)) == 2 * forward + 3 * 2 * (2 * 4 * 8 * 8) * 4


def test_a_step_has_the_operations_of_its_batch():
    """Twice the pixels' sides, four times the work."""
    once, twice = (step_gflop(Training(TINY, size)) for size in (32, 64))
    assert twice == pytest.approx(4 * once, rel=1e-12)
    assert BATCH == 8
