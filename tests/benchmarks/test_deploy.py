"""All sides label the same photograph, and the ratios are of their medians; no time is asserted."""

import json
import sys

import numpy as np
import pytest
from tiny_models import spread_classes

from benchmarks import deploy
from pipeline.model.unet import ModelParams

TINY = ModelParams(features=(4, 8))


@pytest.fixture
def tiny_networks(monkeypatch):
    monkeypatch.setattr(deploy, "NETWORKS", {"reference": TINY, "lite0": TINY})


def test_the_last_line_holds_all_medians_and_their_ratios(tiny_networks, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "--size", "32", "--threads", "1", "--quick"])
    deploy.main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    medians = found["medians"]
    assert medians.keys() == {
        f"{name}.{side}" for name in ("reference", "lite0") for side in ("eager", "fp32", "int8")
    }
    assert min(medians.values()) > 0
    assert found["ratios"] == deploy.ratios(medians, found["bytes"])
    assert (found["size"], found["threads"], found["repeats"]) == (32, 1, 1)


def test_the_ratio_says_how_many_times_faster_than_pytorch_a_file_is(tiny_networks):
    medians = {"reference.eager": 300.0, "reference.fp32": 200.0, "reference.int8": 75.0}
    medians |= {"lite0.eager": 30.0, "lite0.fp32": 15.0, "lite0.int8": 10.0}
    sizes = {"reference.fp32": 100, "reference.int8": 25, "lite0.fp32": 10, "lite0.int8": 3}
    assert deploy.ratios(medians, sizes) == {
        "reference.fp32_to_eager": 1.5,
        "reference.int8_to_eager": 4.0,
        "reference.bytes": 0.25,
        "lite0.fp32_to_eager": 2.0,
        "lite0.int8_to_eager": 3.0,
        "lite0.bytes": 0.3,
    }


def test_all_sides_label_the_same_photograph(tmp_path):
    segmenter = deploy.build(TINY, 32)
    spread_classes(segmenter.network, 32)
    files = {side: tmp_path / f"{side}.onnx" for side in deploy.FILES}
    deploy.export(segmenter, files)
    works = deploy.sides(segmenter, files, threads=1)
    (eager,), *masks = (work() for work in works.values())
    for mask in masks:
        assert (mask != eager.numpy()).mean() < 0.05
    assert np.unique(eager).size > 1
