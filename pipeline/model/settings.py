"""What params.yaml and config.json say about a model: light, so that --help need not load torch."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT
from pipeline.data.classes import Classes
from pipeline.data.settings import ImageSize, Normalisation

PAUSE_AFTER = "PETSEG_PAUSE_AFTER"  # set by a search: the epochs after which a training pauses

PLAIN = "plain"
LITE = "efficientnet_lite0"  # whose ImageNet weights are installed

Channels = Annotated[int, Field(gt=0, le=4096)]  # of one level
Precision = Literal["auto", "bf16", "fp32"]


@dataclass(frozen=True, config=STRICT)
class ModelParams:
    """The network's shape, and what its encoder starts from."""

    # The decoder's channels by level, from full resolution down. The plain encoder has the same,
    # and a bottleneck of twice the last: [64, 128, 256, 512] is the paper's network. Other
    # encoders bring their own channels, and need one number here for each halving (most: 5).
    features: Annotated[tuple[Channels, ...], Field(min_length=1, max_length=8)]
    encoder: str = PLAIN  # or efficientnet_lite0 or _lite2, or another of timm's names
    weights: str | None = None  # file of a timm encoder's weights; null: timm's own


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """What config.json holds: all that evaluate, export and users need to apply the tensors."""

    model: ModelParams
    classes: Classes
    image_size: ImageSize  # that the network was trained on
    normalisation: Normalisation
