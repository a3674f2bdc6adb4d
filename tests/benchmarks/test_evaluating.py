"""Both sides run, and the cost is the ratio of their medians; no time is asserted."""

import json
import sys

from tiny_models import random_network

from benchmarks import evaluating
from pipeline.data.pets import CLASSES
from pipeline.data.transforms import Normalisation
from pipeline.model.checkpoint import ModelConfig, copy_weights, save_checkpoint
from pipeline.model.unet import ModelParams


def test_the_last_line_holds_both_sides_and_the_cost(tiny_pets, monkeypatch, capsys):
    config = ModelConfig(ModelParams(features=(4, 8)), CLASSES, 32, Normalisation())
    save_checkpoint(tiny_pets / "models", copy_weights(random_network(config.model, 32)), config)
    options = ["--threads", "1", "--repeats", "1", "--seconds", "0"]
    monkeypatch.setattr(sys, "argv", ["evaluating", *options])
    evaluating.main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    medians = found["medians"]
    assert min(medians.values()) > 0
    assert found["cost"] == medians["forward"] / medians["evaluation"]
