"""A model survives the disk, byte for byte, and a damaged one is named."""

import json
import zipfile

import pytest
import torch
from tiny_pets import PETS

from pipeline.core.terminal import UserError
from pipeline.data.settings import Normalisation
from pipeline.model.checkpoint import (
    ModelConfig,
    checkpoint_digest,
    copy_weights,
    load_checkpoint,
    save_checkpoint,
)
from pipeline.model.settings import ModelParams
from pipeline.model.unet import UNet

CONFIG = ModelConfig(ModelParams(features=(4, 8)), PETS, 32, Normalisation())


@pytest.fixture
def network():
    torch.manual_seed(0)
    return UNet(CONFIG.model, len(PETS))


@pytest.fixture
def saved(tmp_path, network):
    """A folder with both files."""
    save_checkpoint(tmp_path, copy_weights(network), CONFIG)
    return tmp_path


def test_the_loaded_model_computes_what_the_saved_one_did(tmp_path, network):
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


def test_code_and_anything_but_tensors_by_name_is_refused(saved):
    class Hostile:
        def __reduce__(self):
            return (saved.joinpath("escaped").touch, ())

    for content in ({"head.weight": Hostile()}, {"head.weight": 3}, {1: torch.zeros(1)}, [1]):
        torch.save(content, saved / "checkpoint.pth")
        with pytest.raises(UserError, match=r"checkpoint\.pth"):
            load_checkpoint(saved)
    assert not (saved / "escaped").exists()


@pytest.mark.parametrize("file", ["checkpoint.pth", "config.json"])
def test_a_missing_file_is_named(saved, file):
    (saved / file).unlink()
    with pytest.raises(UserError, match=f"{file} is missing: train first"):
        load_checkpoint(saved)


def change_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


NAN = {"mean": [float("nan")] * 3, "std": [1, 1, 1]}


@pytest.mark.parametrize(
    ("key", "value"),
    [("model", {"features": [8] * 40}), ("image_size", 0), ("normalisation", NAN), ("classes", 3)],
)
def test_a_configuration_out_of_range_is_refused(saved, key, value):
    change_config(saved, **{key: value})
    with pytest.raises(UserError, match=r"config\.json is not a model configuration"):
        load_checkpoint(saved)


def test_other_tensors_and_those_larger_than_their_file_are_refused(saved):
    """A single number, repeated without end by its strides, has any shape. No network is made
    before the tensors fit it: one of this size would take 100 GB.
    """
    change_config(saved, model={"features": [4096] * 8})
    with pytest.raises(UserError, match="it holds other tensors"):
        load_checkpoint(saved)
    with torch.device("meta"):
        wanted = UNet(ModelParams(features=(4096,) * 8), len(PETS)).state_dict()
    lies = {
        name: torch.zeros((), dtype=each.dtype).expand(each.shape) for name, each in wanted.items()
    }
    torch.save(lies, saved / "checkpoint.pth")
    assert (saved / "checkpoint.pth").stat().st_size < 200_000
    with pytest.raises(UserError, match="it holds less than it claims"):
        load_checkpoint(saved)


def repack(file, change, compression=zipfile.ZIP_STORED):
    """Rewrite the archive, each member as `change(name, content)`."""
    with zipfile.ZipFile(file) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(file, "w", compression) as packed:
        for name, content in members.items():
            packed.writestr(name, change(name, content))


def test_short_storages_and_a_compressed_file_are_refused(saved):
    file = saved / "checkpoint.pth"
    repack(file, lambda name, content: content[:4] if "/data/" in name else content)
    with pytest.raises(UserError, match=r"checkpoint\.pth does not fit"):
        load_checkpoint(saved)
    pad = bytes(2**26)  # a compressed file could unpack to any size
    repack(file, lambda name, was: was + pad * name.endswith("data.pkl"), zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="it is compressed"):
        load_checkpoint(saved)
