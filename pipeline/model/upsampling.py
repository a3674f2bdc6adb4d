"""The transposed convolution that doubles the resolution, with a backward pass fit for a CPU.

With a 2x2 kernel and stride 2 the squares that input pixels are spread over do not overlap, so the
gradient of the weights is one matrix product: inputs by the squares' gradients. The routine that
torch has for any kernel takes up to six times as long for it on a CPU.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable


class UpConvolution(nn.ConvTranspose2d):
    """(N, inputs, H, W) to (N, outputs, 2H, 2W)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, kernel_size=2, stride=2)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        # An exporter finds torch's own operator, as a GPU does.
        if self.training and x.is_cpu:
            return _OnCPU.apply(x, self.weight, self.bias)
        return super().forward(x, output_size)


class _OnCPU(torch.autograd.Function):
    """The same convolution; only the gradient of the weights is calculated in another way."""

    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16)  # where autocast is on
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv_transpose2d(x, weight, bias, stride=2)

    @staticmethod
    @custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradient (N, outputs, 2H, 2W) to those of input, weight and bias."""
        x, weight = ctx.saved_tensors
        inputs, outputs = weight.shape[:2]
        number, _, height, width = x.shape
        pixels = x.permute(0, 2, 3, 1).reshape(-1, inputs)
        squares = (
            gradient.permute(0, 2, 3, 1)
            .reshape(number, height, 2, width, 2, outputs)
            .transpose(2, 3)
            .reshape(-1, 2 * 2 * outputs)
        )  # a row is the square of one input pixel
        by_weight = (pixels.T @ squares).view(inputs, 2, 2, outputs).permute(0, 3, 1, 2)
        return F.conv2d(gradient, weight, stride=2), by_weight, gradient.sum((0, 2, 3))
