"""A model survives the disk, byte for byte, and a damaged one is named."""

import json

import pytest
import torch

from pipeline.data.transforms import Normalisation
from pipeline.model.checkpoint import (
    ModelConfig,
    checkpoint_digest,
    copy_weights,
    load_checkpoint,
    save_checkpoint,
)
from pipeline.model.unet import ModelParams, UNet
from pipeline.terminal import UserError

CONFIG = ModelConfig(
    ModelParams(features=(4, 8)), ("pet", "background", "border"), 32, Normalisation()
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return UNet(CONFIG.model)


def test_what_is_loaded_computes_what_was_saved(tmp_path, network):
    network(torch.randn(4, 3, 32, 32))  # moves the batch norm's statistics
    save_checkpoint(tmp_path, copy_weights(network), CONFIG)
    loaded, config = load_checkpoint(tmp_path)
    assert config == CONFIG
    image = torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded(image), network.eval()(image))


def test_equal_models_are_equal_bytes_whatever_their_memory_format(tmp_path, network):
    save_checkpoint(tmp_path / "a", copy_weights(network), CONFIG)
    network.to(memory_format=torch.channels_last)
    save_checkpoint(tmp_path / "b", copy_weights(network), CONFIG)
    assert checkpoint_digest(tmp_path / "a") == checkpoint_digest(tmp_path / "b")
    assert (tmp_path / "a/config.json").read_bytes() == (tmp_path / "b/config.json").read_bytes()


def test_the_file_holds_tensors_alone(tmp_path, network):
    save_checkpoint(tmp_path, copy_weights(network), CONFIG)
    tensors = torch.load(tmp_path / "checkpoint.pth", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in tensors.values())


def test_a_pickle_that_would_run_code_is_refused(tmp_path, network):
    class Hostile:
        def __reduce__(self):
            return (tmp_path.joinpath("escaped").touch, ())

    save_checkpoint(tmp_path, copy_weights(network), CONFIG)
    torch.save({"head.weight": Hostile()}, tmp_path / "checkpoint.pth")
    with pytest.raises(UserError, match=r"checkpoint\.pth"):
        load_checkpoint(tmp_path)
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("file", ["checkpoint.pth", "config.json"])
def test_a_missing_file_is_named(tmp_path, network, file):
    save_checkpoint(tmp_path, copy_weights(network), CONFIG)
    (tmp_path / file).unlink()
    with pytest.raises(UserError, match=f"{file} is missing"):
        load_checkpoint(tmp_path)


def test_tensors_of_another_architecture_are_refused(tmp_path, network):
    save_checkpoint(tmp_path, copy_weights(network), CONFIG)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model"]["features"] = [4, 16]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="does not fit"):
        load_checkpoint(tmp_path)
