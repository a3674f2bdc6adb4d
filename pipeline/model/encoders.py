"""The U-Net's left half: the paper's own, trained from scratch, or one of timm's networks.

An encoder turns normalised images (N, 3, H, W) into one feature map a level, the first at full
resolution and each of the others at half of the one before; `channels` lists their channels. The
last map is the bottom of the U, the others are its skips.
"""

import difflib
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn

from pipeline.core.terminal import UserError
from pipeline.data.settings import Normalisation
from pipeline.model.settings import LITE, PLAIN

# timm's name for the network whose weights are installed: TensorFlow's, with its padding.
TIMM_NAMES = {LITE: "tf_efficientnet_lite0"}
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
        self.name = TIMM_NAMES.get(name, name)
        if not timm.is_model(self.name):
            raise UserError(f"model.encoder: {name!r} is not known; {_accepted(name)}")
        try:
            self.network = timm.create_model(self.name, features_only=True, pretrained=False)
        except (RuntimeError, AssertionError) as error:
            raise UserError(f"model.encoder: {name!r} gives no feature maps ({error})") from None
        widen_slow_depthwise(self.network)
        maps: Any = self.network.feature_info
        reductions = maps.reduction()
        if reductions != [2**level for level in range(1, len(reductions) + 1)]:
            raise UserError(
                f"model.encoder: {name!r} gives feature maps at 1/{reductions} of the picture's"
                f" size, a U-Net needs 1/2, 1/4 and so on; {_accepted('resnet34')}"
            )
        if len(reductions) != levels:
            raise UserError(
                f"model.features: {levels} levels do not fit the encoder {name!r}, which has"
                f" {len(reductions)}; accepted are as many numbers"
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
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1:
            if max(layer.kernel_size) > 3 or max(layer.stride) > 1:
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
    if name == LITE:
        return LITE_NORMALISATION
    config: Any = import_timm().get_pretrained_cfg(name)
    return Normalisation() if config is None else Normalisation(config.mean, config.std)


def _accepted(name: str) -> str:
    near = difflib.get_close_matches(name, import_timm().list_models(), n=5)
    return (
        f"accepted are {PLAIN}, {LITE}, and timm's names"
        f" (such as {', '.join(near or ['resnet34'])}; all: timm.list_models())"
    )


def import_timm() -> Any:
    """timm, imported only where an encoder is one of its: with torchvision it takes seconds."""
    from pipeline.model.torchvision_compat import timm  # noqa: PLC0415

    return timm
