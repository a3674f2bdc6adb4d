"""Settings as DVC takes them."""

import pytest

from pipeline.core.terminal import UserError
from tools.experiments import param_options, split_setting


def test_a_setting_is_read_as_yaml():
    assert split_setting("train.epochs=5") == ("train.epochs", 5)
    assert split_setting("model.features=[4, 8]") == ("model.features", [4, 8])
    with pytest.raises(UserError, match=r"train\.epochs: expected NAME=VALUE"):
        split_setting("train.epochs")


def test_settings_reach_dvc_as_values_that_yaml_reads_back():
    settings = {"train.lr": 0.001, "model.features": [4, 8], "model.weights": None}
    assert param_options(settings) == [
        *("--set-param", "train.lr=0.001"),
        *("--set-param", "model.features=[4, 8]"),
        *("--set-param", "model.weights=null"),
    ]
