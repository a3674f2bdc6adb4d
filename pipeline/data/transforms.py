"""Paired augmentation of photograph and mask, resizing, and the normalisation, said once."""

from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from pipeline.core.params import STRICT
from pipeline.data.vision import tv_tensors, v2

Fraction = Annotated[float, Field(gt=0, le=1)]
ImageSize = Annotated[int, Field(ge=32, le=4096)]  # side of a square, in pixels
Strength = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, config=STRICT)
class Normalisation:
    """Per-channel mean and standard deviation of RGB in [0, 1]; the default is ImageNet's."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


class Normalise(nn.Module):
    """(N, 3, H, W) RGB in 0..255, uint8 or float, to normalised float32."""

    mean: Tensor
    std: Tensor

    def __init__(self, normalisation: Normalisation) -> None:
        super().__init__()
        shape = (3, 1, 1)
        # Not part of the checkpoint: config.json says them.
        self.register_buffer("mean", torch.tensor(normalisation.mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(normalisation.std).view(shape), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images.float() / 255 - self.mean) / self.std


@dataclass(frozen=True, config=STRICT)
class AugmentationParams:
    """How strongly training pictures vary."""

    crop_min_area: Fraction  # of the picture, the smallest crop; 1 switches cropping off
    brightness: Strength  # largest relative change, as for contrast and saturation
    contrast: Strength
    saturation: Strength


class Augmentation:
    """A random flip and resized crop, the same for photograph and mask, and a change of colour."""

    def __init__(self, params: AugmentationParams, size: int) -> None:
        self.transform = v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.RandomResizedCrop(size, scale=(params.crop_min_area, 1.0), antialias=True),
                v2.ColorJitter(params.brightness, params.contrast, params.saturation),
            ]
        )

    def __call__(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Take and give an image (3, H, W) uint8 and its mask (H, W) uint8, of torch's RNG."""
        image, mask = self.transform(tv_tensors.Image(image), tv_tensors.Mask(mask))
        return image.as_subclass(Tensor), mask.as_subclass(Tensor)


def resize_image(image: Tensor, size: int) -> Tensor:
    """Stretch (..., 3, H, W) to (..., 3, size, size), bilinear and antialiased."""
    return v2.functional.resize(image, [size, size], antialias=True)


def resize_mask(mask: Tensor, size: int) -> Tensor:
    """Stretch class ids (H, W) to (size, size) by nearest neighbour: ids cannot be blended."""
    nearest = v2.InterpolationMode.NEAREST_EXACT
    return v2.functional.resize(mask[None], [size, size], interpolation=nearest)[0]
