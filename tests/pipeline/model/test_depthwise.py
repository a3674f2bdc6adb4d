"""Which convolutions are calculated in float32, and that it changes nothing but the rounding."""

import copy

import pytest
import torch
from torch import nn

from pipeline.model.depthwise import widen_slow_depthwise

SLOW = {
    "5x5": {"kernel_size": 5, "padding": 2, "groups": 4},
    "stride 2": {"kernel_size": 3, "padding": 1, "stride": 2, "groups": 4},
}
FAST = {
    "3x3": {"kernel_size": 3, "padding": 1, "groups": 4},
    "not depthwise": {"kernel_size": 5, "padding": 2, "stride": 2},
    "of two groups": {"kernel_size": 5, "padding": 2, "groups": 2},
}


def layers(shape):
    """A convolution that was looked at and its copy that was not."""
    torch.manual_seed(0)
    torchs = nn.Conv2d(4, 4, **shape)
    ours = copy.deepcopy(torchs)
    widen_slow_depthwise(nn.Sequential(ours))
    return ours, torchs


def picture(dtype=torch.bfloat16):
    return torch.randn(2, 4, 9, 8, generator=torch.Generator().manual_seed(1)).to(dtype)


def results(layer, x, *, autocast):
    """The output, and the gradients of the sum of its squares by input, kernel and bias."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        output = layer(x)
    loss = (output.float() ** 2).sum()
    return [output, *torch.autograd.grad(loss, [x, *layer.parameters()])]


@pytest.mark.parametrize("shape", SLOW.values(), ids=SLOW)
def test_a_slow_one_calculates_in_float32_and_gives_bfloat16(shape):
    ours, torchs = layers(shape)
    mine = results(ours, picture(), autocast=True)
    assert [one.dtype for one in mine] == [torch.bfloat16] * 2 + [torch.float32] * 2
    # The same by hand: the narrow picture made wide, and the result narrow.
    x = picture().float().requires_grad_()
    output = torchs(x).bfloat16()
    loss = (output.float() ** 2).sum()
    by_x, *by_parameters = torch.autograd.grad(loss, [x, *torchs.parameters()])
    for one, other in zip(mine, [output, by_x.bfloat16(), *by_parameters], strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("shape", FAST.values(), ids=FAST)
def test_any_other_is_left_as_it_is(shape):
    ours, torchs = layers(shape)
    mine, theirs = (results(layer, picture(), autocast=True) for layer in (ours, torchs))
    assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("shape", SLOW.values(), ids=SLOW)
def test_in_full_precision_and_in_use_it_is_torchs_own(shape):
    ours, torchs = layers(shape)
    x = picture(torch.float32)
    mine, theirs = (results(layer, x, autocast=False) for layer in (ours, torchs))
    assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours.eval()(x), torchs.eval()(x))


def test_a_copy_calculates_with_its_own_weights():
    ours, _ = layers(SLOW["5x5"])
    other = copy.deepcopy(ours)
    nn.init.zeros_(other.weight)
    nn.init.zeros_(other.bias)
    assert other(picture(torch.float32)).abs().max() == 0
    assert ours(picture(torch.float32)).abs().max() > 0
