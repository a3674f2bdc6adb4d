"""The model that ships: image in, class mask out, with the resizing and normalising inside."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.data.transforms import Normalise, resize_image
from pipeline.model.settings import ModelConfig


class Segmenter(nn.Module):
    """A network that takes images of any size and gives masks of the same size.

    This module is what is scored, drawn and exported: a score speaks of what users get.
    """

    def __init__(self, network: nn.Module, config: ModelConfig) -> None:
        super().__init__()
        self.network = network
        self.size = config.image_size
        self.classes = config.classes
        self.normalise = Normalise(config.normalisation)

    @property
    def device(self) -> torch.device:
        return self.normalise.mean.device

    def forward(self, image: Tensor) -> Tensor:
        """(H, W, 3) uint8 RGB to (H, W) uint8 class ids."""
        return self.restore(self.network(self.prepare(image)), *image.shape[:2])

    @torch.inference_mode()
    def segment(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """As `forward`, from and to NumPy's arrays, wherever the network is."""
        (logits,) = self.logits([self.prepare(torch.from_numpy(image).to(self.device))])
        return self.restore(logits[None], *image.shape[:2]).numpy()

    @torch.inference_mode()
    def logits(self, prepared: Sequence[Tensor]) -> Tensor:
        """(1, 3, S, S) each, from `prepare`, to (N, C, S, S) logits on the CPU."""
        batch = torch.cat(list(prepared)).to(memory_format=torch.channels_last)
        return self.network(batch).cpu()

    def prepare(self, image: Tensor) -> Tensor:
        """(H, W, 3) uint8 to (1, 3, S, S) float32: stretched to the square, normalised."""
        return self.normalise(resize_image(image.permute(2, 0, 1)[None].float(), self.size))

    def enlarge(self, logits: Tensor, height: int, width: int) -> Tensor:
        """(N, C, S, S) logits to (N, C, height, width)."""
        return F.interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)

    def restore(self, logits: Tensor, height: int, width: int) -> Tensor:
        """(1, C, S, S) logits to the (height, width) uint8 mask of the likeliest classes."""
        # Not argmax, which takes ten times as long on a CPU; exported, both are ArgMax.
        return self.enlarge(logits, height, width).max(dim=1).indices[0].to(torch.uint8)


class BothWays(nn.Module):
    """Applies a network to each image as it is and mirrored, and takes the mean probabilities.

    (N, 3, S, S) normalised images to (N, C, S, S): the logarithm of the mean probabilities.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        plain = self.network(images).softmax(dim=1)
        mirrored = self.network(images.flip(-1)).softmax(dim=1).flip(-1)
        return ((plain + mirrored) / 2).clamp(min=1e-6).log()  # finite, to be enlarged
