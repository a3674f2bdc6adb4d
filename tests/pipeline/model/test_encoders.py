"""The U-Net's left half: what each encoder promises the decoder, and what it trains in float32."""

import copy

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.core.terminal import UserError
from pipeline.data.settings import Normalisation
from pipeline.model.encoders import build_encoder, normalisation_of, widen_slow_depthwise

LITE = "efficientnet_lite0"
# The widths of EfficientNet-B0 (Tan and Le 2019, table 1), of B2 (1.1 times as wide, rounded to
# eights), and of ResNet-18 (He et al. 2015, table 1).
LITE_CHANNELS = (3, 16, 24, 40, 112, 320)
LITE2_CHANNELS = (3, 16, 24, 48, 120, 352)
RESNET_CHANNELS = (3, 64, 64, 128, 256, 512)


@pytest.mark.parametrize(
    ("name", "features", "channels"),
    [
        ("plain", (4,), (4, 8)),
        ("plain", (4, 8, 12), (4, 8, 12, 24)),
        (LITE, (8,) * 5, LITE_CHANNELS),
        ("efficientnet_lite2", (8,) * 5, LITE2_CHANNELS),
        ("resnet18", (8,) * 5, RESNET_CHANNELS),
    ],
)
def test_each_map_halves_the_one_before(name, features, channels):
    encoder = build_encoder(name, features).eval()
    maps = encoder(torch.randn(2, 3, 64, 96))
    assert encoder.channels == channels
    assert [tuple(one.shape) for one in maps] == [
        (2, width, 64 >> level, 96 >> level) for level, width in enumerate(channels)
    ]


@pytest.mark.parametrize(
    ("name", "levels", "problem"),
    [
        ("resnet19", 2, "'resnet19' is not known.* plain, .*resnet18"),
        ("convnext_tiny", 3, r"'convnext_tiny', whose feature maps are at 1/\[4, 8, 16, 32\]"),
        ("vit_tiny_patch16_224", 3, r"16_224', whose feature maps are at 1/\[16, 16, 16\]"),
        (LITE, 4, f"4 levels do not fit .*'{LITE}'.* 16, 32"),
        ("resnet18", 6, "6 levels do not fit .*'resnet18'.* 16, 32"),
    ],
)
def test_an_unknown_or_unsuitable_network_is_refused(name, levels, problem):
    with pytest.raises(UserError, match=problem):
        build_encoder(name, (8,) * levels)


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("plain", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("resnet18", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("xception41", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ],
)
def test_images_are_normalised_as_timm_says_else_by_imagenets_statistics(name, mean, std):
    assert normalisation_of(name) == Normalisation(mean, std)


class WideConvolutions(TorchDispatchMode):
    """Kernel sides and strides of the convolutions that are calculated in float32 in the block."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        if operator is torch.ops.aten.convolution.default and args[0].dtype == torch.float32:
            self.found.append((args[1].shape[-1], args[3][0]))
        return operator(*args, **(kwargs or {}))


def test_lite0_trains_in_bfloat16_except_for_its_slow_convolutions():
    encoder = build_encoder(LITE, (8,) * 5)
    with WideConvolutions() as wide, torch.autocast("cpu", torch.bfloat16):
        encoder(torch.randn(1, 3, 64, 64))
    # B0's table: stages 3, 5 and 6 are 2, 3 and 4 layers with 5x5 kernels; 2, 3, 4 and 6 halve.
    assert wide.found == [(3, 2), (5, 2), (5, 1), (3, 2), *[(5, 1)] * 3, (5, 2), *[(5, 1)] * 3]


SLOW = {
    "5x5": {"kernel_size": 5, "padding": 2, "groups": 4},
    "stride 2": {"kernel_size": 3, "padding": 1, "stride": 2, "groups": 4},
}
FAST = {
    "3x3": {"kernel_size": 3, "padding": 1, "groups": 4},
    "not depthwise": {"kernel_size": 5, "padding": 2, "stride": 2},
    "of two groups": {"kernel_size": 5, "padding": 2, "groups": 2},
}


def convolutions(shape):
    """A convolution that was widened if it is slow, and its copy as torch has it."""
    torch.manual_seed(0)
    torchs = nn.Conv2d(4, 4, **shape)
    ours = copy.deepcopy(torchs)
    widen_slow_depthwise(nn.Sequential(ours))
    return ours, torchs


def results(layer, dtype, *, autocast):
    """The output, and the gradients of the sum of its squares by input, kernel and bias."""
    torch.manual_seed(1)
    x = torch.randn(2, 4, 9, 8).bfloat16().to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        output = layer(x)
    loss = (output.bfloat16().float() ** 2 if autocast else output**2).sum()
    return [output, *torch.autograd.grad(loss, [x, *layer.parameters()])]


def same(first, second):
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("shape", SLOW.values(), ids=SLOW)
def test_a_slow_convolution_calculates_in_float32_and_gives_bfloat16(shape):
    ours, torchs = convolutions(shape)
    mine = results(ours, torch.bfloat16, autocast=True)
    assert [one.dtype for one in mine] == [torch.bfloat16] * 2 + [torch.float32] * 2
    # The same by hand: the narrow input made wide, and the result narrow.
    torch.manual_seed(1)
    x = torch.randn(2, 4, 9, 8).bfloat16().float().requires_grad_()
    output = torchs(x).bfloat16()
    by_x, *others = torch.autograd.grad((output.float() ** 2).sum(), [x, *torchs.parameters()])
    assert same(mine, [output, by_x.bfloat16(), *others])


@pytest.mark.parametrize("shape", [*SLOW.values(), *FAST.values()], ids=[*SLOW, *FAST])
def test_in_full_precision_and_in_use_every_convolution_is_torchs_own(shape):
    ours, torchs = convolutions(shape)
    narrow = [(torch.float32, False)]
    if shape in FAST.values():
        narrow.append((torch.bfloat16, True))
    for dtype, autocast in narrow:
        mine, theirs = (results(each, dtype, autocast=autocast) for each in (ours, torchs))
        assert same(mine, theirs)
    with torch.autocast("cpu", torch.bfloat16):
        x = torch.randn(2, 4, 9, 8)
        assert torch.equal(ours.eval()(x), torchs.eval()(x))


def test_a_copy_calculates_with_its_own_weights():
    ours, _ = convolutions(SLOW["5x5"])
    other = copy.deepcopy(ours)
    nn.init.zeros_(other.weight)
    nn.init.zeros_(other.bias)
    x = torch.randn(2, 4, 9, 8)
    assert other(x).abs().max() == 0
    assert ours(x).abs().max() > 0
