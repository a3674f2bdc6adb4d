"""The U-Net of Ronneberger et al. (2015, arXiv 1505.04597) as the field writes it today.

Against the paper: padded convolutions, so that the mask is as large as the image, batch norm, and
an encoder to choose: the paper's own, or one that has learned from ImageNet.
"""

from typing import Annotated

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from pipeline.core.params import STRICT
from pipeline.model.encoders import PLAIN, DoubleConv, build_encoder
from pipeline.model.upsampling import UpConvolution

Channels = Annotated[int, Field(gt=0, le=4096)]  # of one level


@dataclass(frozen=True, config=STRICT)
class ModelParams:
    """The network's shape, and what its encoder starts from."""

    # Channels of each level, from full resolution down: the decoder's. The plain encoder has them
    # too, and a bottleneck of twice the last: [64, 128, 256, 512] is the paper's network. Others
    # bring their own, and need as many numbers here as they halve the picture (most: 5).
    features: Annotated[tuple[Channels, ...], Field(min_length=1, max_length=8)]
    encoder: str = PLAIN  # or efficientnet_lite0, or another of timm's names
    weights: str | None = None  # file of a timm encoder's weights; null: what timm has


class Up(nn.Module):
    """One level of the decoder: double the resolution, join the skip, convolve."""

    def __init__(self, inputs: int, skips: int, outputs: int) -> None:
        super().__init__()
        self.up = UpConvolution(inputs, outputs)
        self.conv = DoubleConv(skips + outputs, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(N, inputs, H, W) and the skip (N, skips, 2H, 2W) to (N, outputs, 2H, 2W)."""
        up = self.up(x)
        # The first skip may be the image, in float32: the convolution would make it narrow anyway.
        return self.conv(torch.cat([skip.to(up.dtype), up], dim=1))


class UNet(nn.Module):
    """Per-pixel class logits of an image of any size."""

    def __init__(self, params: ModelParams, classes: int = 3) -> None:
        """Random weights. Raises UserError for an encoder that is not known or does not fit."""
        super().__init__()
        self.encoder = build_encoder(params.encoder, params.features)
        *skips, bottom = self.encoder.channels
        widths = params.features[::-1]
        self.decoder = nn.ModuleList(
            Up(inputs, skip, outputs)
            for inputs, skip, outputs in zip(
                (bottom, *widths[:-1]), reversed(skips), widths, strict=True
            )
        )
        self.head = nn.Conv2d(widths[-1], classes, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images to (N, classes, H, W) logits."""
        height, width = images.shape[-2:]
        *skips, x = self.encoder(_pad_to_multiple(images, 2 ** len(self.decoder)))
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
