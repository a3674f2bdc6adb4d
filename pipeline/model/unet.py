"""The U-Net of Ronneberger et al. (2015, arXiv 1505.04597) as the field writes it today.

It differs from the paper in padded convolutions (the mask is as large as the image), batch norm,
and a choice of encoder: the paper's own, or one pretrained on ImageNet.
"""

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn

from pipeline.core.layout import PARAMS, in_repository
from pipeline.core.params import ParamsError
from pipeline.core.terminal import UserError
from pipeline.model.encoders import DoubleConv, TimmEncoder, build_encoder
from pipeline.model.settings import ModelParams


class Up(nn.Module):
    """One level of the decoder: double the resolution, join the skip, convolve."""

    def __init__(self, inputs: int, skips: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, kernel_size=2, stride=2)
        self.conv = DoubleConv(skips + outputs, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(N, inputs, H, W) and the skip (N, skips, 2H, 2W) to (N, outputs, 2H, 2W)."""
        up = self.up(x)
        # The first skip may be the image, in float32: the convolution would make it narrow anyway.
        return self.conv(torch.cat([skip.to(up.dtype), up], dim=1))


class UNet(nn.Module):
    """Per-pixel class logits of an image of any size."""

    def __init__(self, params: ModelParams, classes: int) -> None:
        """Random weights. Raises UserError for an encoder that is unknown or does not fit."""
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
        bottom, right = (-side % 2 ** len(self.decoder) for side in (height, width))
        if bottom or right:  # repeat the edge, until both sides halve evenly at every level
            images = F.pad(images, (0, right, 0, bottom), mode="replicate")
        *skips, x = self.encoder(images)
        for level in self.decoder:
            x = level(x, skips.pop())
        return self.head(x)[..., :height, :width]


def check_model(params: ModelParams, frozen_levels: int, images: int, side: int) -> None:
    """Raise ParamsError if the params describe no network that can start, or take a step.

    The step is of so many square images. On the meta device it takes a moment and no memory: no
    image is decoded for a network that cannot be.
    """
    try:
        with torch.device("meta"):
            network = UNet(params, classes=2)
            try:
                network(torch.empty(images, 3, side, side))
            except (RuntimeError, AssertionError, ValueError) as error:  # as each encoder has it
                told = f"{params.encoder!r} takes no {images} pictures of {side} pixels a step"
                raise UserError(f"model.encoder: {told} ({error})") from None
        pretrained = isinstance(network.encoder, TimmEncoder)
        if params.weights is not None and not pretrained:
            told = f"the encoder {params.encoder} starts from scratch; set it null"
            raise UserError(f"model.weights: {told}")
        if params.weights is not None and not in_repository(params.weights).is_file():
            raise UserError(f"model.weights: {params.weights} is missing")
        if frozen_levels > (most := len(params.features) * pretrained):
            told = f"the encoder {params.encoder} has {most} pretrained levels"
            raise UserError(f"train.frozen_levels: {told}, not {frozen_levels}")
    except UserError as error:
        raise ParamsError(f"{PARAMS}: {error}") from None
