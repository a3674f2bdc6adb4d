"""The U-Net's left half: what each encoder promises the decoder, and which it is not."""

import re

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.core.terminal import UserError
from pipeline.data.transforms import Normalisation, Normalise
from pipeline.model.encoders import build_encoder, normalisation_of
from pipeline.model.settings import ModelParams
from pipeline.model.unet import UNet

LITE = "efficientnet_lite0"
# The widths of EfficientNet-B0 (Tan and Le 2019, table 1) and ResNet-18 (He et al. 2015, table 1).
LITE_CHANNELS = (3, 16, 24, 40, 112, 320)
RESNET_CHANNELS = (3, 64, 64, 128, 256, 512)


@pytest.mark.parametrize(
    ("name", "features", "channels"),
    [
        ("plain", (4,), (4, 8)),
        ("plain", (4, 8, 12), (4, 8, 12, 24)),
        (LITE, (8,) * 5, LITE_CHANNELS),
        ("resnet18", (8,) * 5, RESNET_CHANNELS),
    ],
)
def test_maps_begin_at_full_resolution_and_each_halves_the_one_before(name, features, channels):
    encoder = build_encoder(name, features).eval()
    maps = encoder(torch.randn(2, 3, 64, 96))
    assert encoder.channels == channels
    assert [tuple(one.shape) for one in maps] == [
        (2, width, 64 >> level, 96 >> level) for level, width in enumerate(channels)
    ]


def test_a_name_that_is_not_known_is_answered_with_those_near_it():
    with pytest.raises(UserError, match=r"'resnet19' is not known.* plain, .*resnet18"):
        build_encoder("resnet19", (8, 8))


@pytest.mark.parametrize(
    ("name", "scales"),
    [("convnext_tiny", "[4, 8, 16, 32]"), ("vit_tiny_patch16_224", "[16, 16, 16]")],
)
def test_a_network_whose_maps_do_not_halve_from_the_first_is_refused(name, scales):
    with pytest.raises(UserError, match=rf"'{name}' gives feature maps at 1/{re.escape(scales)}"):
        build_encoder(name, (8, 8, 8))


@pytest.mark.parametrize("name", [LITE, "resnet18"])
@pytest.mark.parametrize("levels", [1, 4, 6])
def test_as_many_levels_as_the_network_has_are_demanded(name, levels):
    with pytest.raises(UserError, match=rf"{levels} levels do not fit .*'{name}', which has 5"):
        build_encoder(name, (8,) * levels)


def test_lite0_sees_pixels_as_its_weights_were_trained_to():
    pixels = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    seen = Normalise(normalisation_of(LITE))(pixels)
    expected = ((pixels.double() - 127) / 128).float()
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("plain", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("resnet18", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("xception41", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ],
)
def test_others_see_pixels_as_timm_says_or_else_by_imagenets_statistics(name, mean, std):
    assert normalisation_of(name) == Normalisation(mean, std)


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (17, 40), (1, 1)])
def test_logits_have_the_size_of_the_image(size):
    network = UNet(ModelParams(features=(8,) * 5, encoder=LITE)).eval()
    with torch.no_grad():
        assert network(torch.randn(2, 3, *size)).shape == (2, 3, *size)


@pytest.mark.parametrize("name", [LITE, "resnet18"])
def test_no_parameter_is_left_without_a_gradient(name):
    # One that is would be dead weight in every checkpoint, and stop a training by processes.
    network = UNet(ModelParams(features=(8,) * 5, encoder=name))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)  # timm begins some at zero: nothing passes them yet
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    silent = [
        weight for weight, p in network.named_parameters() if p.grad is None or not p.grad.any()
    ]
    assert silent == []


class WideConvolutions(TorchDispatchMode):
    """Kernel sides and strides of the convolutions that are calculated in float32 in the block."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        if operator is torch.ops.aten.convolution.default and args[0].dtype == torch.float32:
            self.found.append((args[1].shape[-1], args[3][0]))
        return operator(*args, **(kwargs or {}))


def test_of_lite0_bfloat16_trains_all_but_what_it_is_slow_for():
    encoder = build_encoder(LITE, (8,) * 5)
    with WideConvolutions() as wide, torch.autocast("cpu", torch.bfloat16):
        encoder(torch.randn(1, 3, 64, 64))
    # B0's table: stages 3, 5 and 6 are 2, 3 and 4 layers with 5x5 kernels; 2, 3, 4 and 6 halve.
    assert wide.found == [(3, 2), (5, 2), (5, 1), (3, 2), *[(5, 1)] * 3, (5, 2), *[(5, 1)] * 3]
