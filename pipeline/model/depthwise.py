"""Depthwise convolutions for which bfloat16 is slow on a CPU, calculated in float32 instead.

torch's routines for a CPU (oneDNN's) are fast in bfloat16 for 3x3 kernels of stride 1. Of larger
kernels the weights' gradient, and of larger strides the input's, takes 3 to 50 times as long as in
float32: together a third of a training step with EfficientNet-Lite0.
"""

from functools import partial

import torch
from torch import Tensor, nn


def widen_slow_depthwise(network: nn.Module) -> None:
    """Have the slow ones train in float32, in place; what they give is as wide as it was."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and _is_slow(layer):
            layer.forward = partial(_forward, layer)  # type: ignore[method-assign]


def _is_slow(layer: nn.Conv2d) -> bool:
    depthwise = layer.groups == layer.in_channels > 1
    return depthwise and (max(layer.kernel_size) > 3 or max(layer.stride) > 1)


def _forward(layer: nn.Conv2d, x: Tensor) -> Tensor:
    forward = type(layer).forward
    if not (layer.training and x.is_cpu):
        return forward(layer, x)
    with torch.autocast("cpu", enabled=False):
        return forward(layer, x.float()).to(x.dtype)
