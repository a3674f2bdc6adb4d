"""The U-Net: its shapes, its size, and that everything in it learns."""

import pytest
import torch

from pipeline.model.settings import ModelParams
from pipeline.model.unet import UNet

NETWORKS = {
    "plain": ModelParams(features=(4, 8, 8)),
    "efficientnet_lite0": ModelParams((8,) * 5, "efficientnet_lite0"),
    "resnet18": ModelParams((8,) * 5, "resnet18"),
}


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (17, 40), (1, 1)])
@pytest.mark.parametrize("name", ["plain", "efficientnet_lite0"])
def test_logits_have_the_size_of_the_image(name, size):
    network = UNet(NETWORKS[name], 11).eval()
    with torch.no_grad():
        assert network(torch.randn(2, 3, *size)).shape == (2, 11, *size)


def test_the_original_u_net_has_the_known_number_of_parameters():
    # Counted by hand: 9 in out weights a 3x3 convolution, 2 a batch norm channel, 4 in out + out
    # for each up-convolution, 64 * 3 + 3 for the head.
    def double(inputs, outputs):
        return 9 * inputs * outputs + 9 * outputs**2 + 4 * outputs

    widths = [64, 128, 256, 512, 1024]
    down = double(3, 64) + sum(double(a, 2 * a) for a in widths[:-1])
    up = sum(4 * 2 * a * a + a + double(2 * a, a) for a in widths[:-1])
    network = UNet(ModelParams(features=(64, 128, 256, 512)), 3)
    assert sum(p.numel() for p in network.parameters()) == down + up + 64 * 3 + 3 == 31_037_763


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_receives_a_gradient(name):
    # One without would be dead weight in every checkpoint, and stop a training by processes.
    network = UNet(NETWORKS[name], 11)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)  # timm starts some at zero: nothing passes them yet
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    named = network.named_parameters()
    assert [weight for weight, p in named if p.grad is None or not p.grad.any()] == []
