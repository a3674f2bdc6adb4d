"""What params.yaml and config.json say about images: light, so that --help need not load torch."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT

ImageSize = Annotated[int, Field(ge=32, le=4096)]  # side of a square, in pixels
Fraction = Annotated[float, Field(gt=0, le=1)]
Strength = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, config=STRICT)
class Normalisation:
    """Per-channel mean and standard deviation of RGB in [0, 1]; the default is ImageNet's."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


@dataclass(frozen=True, config=STRICT)
class AugmentationParams:
    """How strongly training images vary."""

    crop_min_area: Fraction  # share of the image in the smallest crop; 1 switches cropping off
    brightness: Strength  # largest relative change, as for contrast and saturation
    contrast: Strength
    saturation: Strength
    crop_size: ImageSize | None = None  # side that crops are stretched to; null: image_size
