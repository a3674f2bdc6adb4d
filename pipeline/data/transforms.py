"""Resizing, normalisation, and the augmentation of an image together with its mask.

The augmentation is that of torchvision's transforms v2 (RandomHorizontalFlip, RandomResizedCrop,
ColorJitter), written out: importing torchvision takes seconds, and its random numbers come from
torch's global generator.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn

from pipeline.data.settings import AugmentationParams, Normalisation

CROP_RATIO = math.log(4 / 3)  # crops are between 3:4 and 4:3, log-uniformly
CROP_TRIES = 10
LUMA = (0.2989, 0.587, 0.114)  # weights of R, G, B in grey: ITU-R BT.601


class Normalise(nn.Module):
    """(N, 3, H, W) RGB in 0..255, uint8 or float, to normalised float32."""

    mean: Tensor
    std: Tensor

    def __init__(self, normalisation: Normalisation) -> None:
        super().__init__()
        for name in ("mean", "std"):
            values = torch.tensor(getattr(normalisation, name)).view(3, 1, 1)
            self.register_buffer(name, values, persistent=False)  # config.json holds them

    def forward(self, images: Tensor) -> Tensor:
        return (images.float() / 255 - self.mean) / self.std


def resize_image(images: Tensor, size: int) -> Tensor:
    """Stretch (N, 3, H, W), float or on a CPU uint8, to (N, 3, size, size), antialiased."""
    return F.interpolate(images, (size, size), mode="bilinear", align_corners=False, antialias=True)


def resize_mask(mask: Tensor, size: int) -> Tensor:
    """Stretch class ids (H, W) to (size, size) by nearest neighbour: ids cannot be blended."""
    return F.interpolate(mask[None, None], (size, size), mode="nearest-exact")[0, 0]


class Augmentation:
    """A random flip, crop and change of colour; image and mask are flipped and cropped alike."""

    def __init__(self, params: AugmentationParams, size: int) -> None:
        self.params = params
        self.size = size

    def __call__(
        self, image: Tensor, mask: Tensor, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Vary a square image (3, S, S) uint8 and its mask (S, S) uint8; both come out `size`."""
        if random.random() < 0.5:
            image, mask = image.flip(-1), mask.flip(-1)
        top, left, height, width = crop_box(random, len(mask), self.params.crop_min_area)
        box = (..., slice(top, top + height), slice(left, left + width))
        pixels = resize_image(image[box][None], self.size)[0].float()
        changes = [
            (change_brightness, self.params.brightness),
            (change_contrast, self.params.contrast),
            (change_saturation, self.params.saturation),
        ]
        for place in random.permutation(len(changes)):
            change, strength = changes[place]
            if strength > 0:
                pixels = change(pixels, random.uniform(1 - strength, 1 + strength))
        return pixels.to(torch.uint8), resize_mask(mask[box], self.size)


def crop_box(random: np.random.Generator, side: int, min_area: float) -> tuple[int, int, int, int]:
    """Draw top, left, height and width of a crop with `min_area` to 1 of a square's area.

    A box that does not fit is drawn again; after CROP_TRIES it is the whole square.
    """
    for _ in range(CROP_TRIES):
        root = side * math.sqrt(random.uniform(min_area, 1))
        stretch = math.exp(random.uniform(-CROP_RATIO, CROP_RATIO) / 2)
        height, width = round(root / stretch), round(root * stretch)
        if 0 < height <= side and 0 < width <= side:
            top, left = random.integers((side - height + 1, side - width + 1)).tolist()
            return top, left, height, width
    return 0, 0, side, side


def change_brightness(pixels: Tensor, factor: float) -> Tensor:
    """Multiply the (3, H, W) float pixels in 0..255; they stay in that range."""
    return (pixels * factor).clamp_(0, 255)


def change_contrast(pixels: Tensor, factor: float) -> Tensor:
    """Blend the pixels (weight `factor`) with the mean of their grey (weight 1 - factor)."""
    return _blend(pixels, _grey(pixels).mean(), factor)


def change_saturation(pixels: Tensor, factor: float) -> Tensor:
    """Blend each pixel with its own grey, of which 1 - factor is taken."""
    return _blend(pixels, _grey(pixels), factor)


def _blend(pixels: Tensor, grey: Tensor, factor: float) -> Tensor:
    return (pixels * factor).add_(grey, alpha=1 - factor).clamp_(0, 255)


def _grey(pixels: Tensor) -> Tensor:
    """(3, H, W) to (H, W)."""
    red, green, blue = (channel * weight for channel, weight in zip(pixels, LUMA, strict=True))
    return red.add_(green).add_(blue)
