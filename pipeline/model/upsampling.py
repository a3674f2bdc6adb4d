"""The transposed convolution that doubles the resolution, with a bias that trains fast on a CPU."""

import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn


class UpConvolution(nn.ConvTranspose2d):
    """(N, inputs, H, W) to (N, outputs, 2H, 2W)."""

    bias: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, kernel_size=2, stride=2)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        # Of a bias inside the convolution the gradient, a sum, takes a CPU one to five times as
        # long as that of the weights. In use it stays inside: an exporter finds one operator.
        if self.training and x.is_cpu:
            up = F.conv_transpose2d(x, self.weight, stride=2)
            return up + self.bias.to(up.dtype)[:, None, None]
        return super().forward(x, output_size)
