"""An untrained network that still predicts each class somewhere: new ones say the same all over."""

import torch

from pipeline.model.settings import ModelParams
from pipeline.model.unet import UNet


def spread_classes(network: UNet, size: int) -> UNet:
    """Give its batch norm statistics of noise, and its head such biases that no class wins."""
    torch.manual_seed(0)
    noise = torch.randn(8, 3, size, size)
    with torch.no_grad():
        network.train()(noise)
        network.head.bias -= network.eval()(noise).mean(dim=(0, 2, 3))
    return network


def random_network(params: ModelParams, size: int) -> UNet:
    """A network for pictures of that size, in evaluation mode; always the same one."""
    torch.manual_seed(0)
    return spread_classes(UNet(params), size)
