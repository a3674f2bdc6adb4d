"""The up-convolution with its bias apart against torch's own, and gradients against differences."""

import pytest
import torch
from torch import nn

from pipeline.model.upsampling import UpConvolution


def gradients(layer, x, weights):
    """The output, and the gradients of a weighted sum of it by input, kernel and bias."""
    x = x.clone().requires_grad_()
    output = layer(x)
    return [output, *torch.autograd.grad((output * weights).sum(), [x, *layer.parameters()])]


def both(inputs, outputs):
    ours, torchs = UpConvolution(inputs, outputs), nn.ConvTranspose2d(inputs, outputs, 2, 2)
    torchs.load_state_dict(ours.state_dict())  # the same names and shapes
    return ours, torchs


def test_a_pixel_by_hand():
    layer = UpConvolution(1, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
        layer.bias.fill_(0.5)
    weights = torch.tensor([[[[1.0, 10.0], [100.0, 1000.0]]]])
    output, by_x, by_weight, by_bias = gradients(layer, torch.tensor([[[[2.0]]]]), weights)
    assert output.tolist() == [[[[2.5, 4.5], [6.5, 8.5]]]]
    assert by_x.item() == 1 + 2 * 10 + 3 * 100 + 4 * 1000
    assert by_weight.tolist() == [[[[2, 20], [200, 2000]]]]
    assert by_bias.item() == 1111


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("number", "inputs", "outputs", "sides"), [(2, 3, 5, (4, 6)), (1, 4, 1, (1, 3))]
)
def test_gradients_are_torchs(number, inputs, outputs, sides, layout):
    torch.manual_seed(0)
    ours, torchs = (layer.double().to(memory_format=layout) for layer in both(inputs, outputs))
    x = torch.randn(number, inputs, *sides, dtype=torch.float64).to(memory_format=layout)
    weights = torch.randn(number, outputs, *(2 * side for side in sides), dtype=torch.float64)
    for mine, theirs in zip(
        gradients(ours, x, weights), gradients(torchs, x, weights), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def test_gradients_are_those_of_differences():
    torch.manual_seed(0)
    layer = UpConvolution(2, 3).double()
    x = torch.randn(1, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)
    weight = layer.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda kernel: torch.func.functional_call(layer, {"weight": kernel}, x), weight
    )


def test_bfloat16_under_autocast_and_gradients_as_wide_as_the_weights():
    torch.manual_seed(0)
    ours, torchs = both(16, 8)
    x, weights = torch.randn(2, 16, 8, 8), torch.randn(2, 8, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        mine, theirs = gradients(ours, x, weights), gradients(torchs, x, weights)
    assert mine[0].dtype == torch.bfloat16
    for one, other in zip(mine, theirs, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.05)


def test_where_nothing_is_learned_it_is_torchs_own():
    ours, torchs = (layer.eval() for layer in both(3, 2))
    x = torch.randn(1, 3, 4, 4)
    assert "ConvolutionBackward" in type(ours(x).grad_fn).__name__
    assert torch.equal(ours(x), torchs(x))
