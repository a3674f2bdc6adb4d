"""The U-Net of Ronneberger et al. (2015, arXiv 1505.04597) as the field writes it today.

Against the paper: padded convolutions, so that the mask is as large as the image, and batch norm.
"""

from typing import Annotated

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from pipeline.params import STRICT


@dataclass(frozen=True, config=STRICT)
class ModelParams:
    """The network's shape."""

    # Channels of each level, from full resolution down; the bottleneck has twice the last.
    # [64, 128, 256, 512] is the paper's network.
    features: Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1)]


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


class Up(nn.Module):
    """One level of the decoder: double the resolution, join the skip, convolve."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, kernel_size=2, stride=2)
        self.conv = DoubleConv(2 * outputs, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(N, inputs, H, W) and the skip (N, outputs, 2H, 2W) to (N, outputs, 2H, 2W)."""
        return self.conv(torch.cat([skip, self.up(x)], dim=1))


class UNet(nn.Module):
    """Per-pixel class logits of an image of any size."""

    def __init__(self, params: ModelParams, classes: int = 3) -> None:
        super().__init__()
        features = params.features
        self.encoder = nn.ModuleList(
            DoubleConv(inputs, outputs)
            for inputs, outputs in zip((3, *features[:-1]), features, strict=True)
        )
        self.bottleneck = DoubleConv(features[-1], 2 * features[-1])
        widths = features[::-1]
        self.decoder = nn.ModuleList(
            Up(inputs, outputs)
            for inputs, outputs in zip((2 * widths[0], *widths[:-1]), widths, strict=True)
        )
        self.head = nn.Conv2d(features[0], classes, kernel_size=1)

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images to (N, classes, H, W) logits."""
        height, width = images.shape[-2:]
        x = _pad_to_multiple(images, 2 ** len(self.encoder))
        skips = []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottleneck(x)
        for level in self.decoder:
            x = level(x, skips.pop())
        return self.head(x)[..., :height, :width]


def _pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Repeat the edge to the right and below, until both sides halve evenly at every level."""
    height, width = images.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if bottom == right == 0:
        return images
    return F.pad(images, (0, right, 0, bottom), mode="replicate")
