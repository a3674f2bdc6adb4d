"""What ships: photograph in, class mask out, with the resizing and normalising inside."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn

from pipeline.data.transforms import Normalise
from pipeline.model.checkpoint import ModelConfig


class Segmenter(nn.Module):
    """The network between a photograph of any size and a mask of that size.

    What is scored, drawn and exported is this module, so that a score speaks of what users get.
    """

    def __init__(self, network: nn.Module, config: ModelConfig) -> None:
        super().__init__()
        self.network = network
        self.size = config.image_size
        self.normalise = Normalise(config.normalisation)

    @property
    def device(self) -> torch.device:
        return self.normalise.mean.device

    def forward(self, photograph: Tensor) -> Tensor:
        """(H, W, 3) uint8 RGB to (H, W) uint8 class ids."""
        logits = self.network(self.prepare(photograph))
        return self.restore(logits, photograph.shape[0], photograph.shape[1])

    @torch.inference_mode()
    def segment(self, photographs: Sequence[Tensor]) -> list[Tensor]:
        """As `forward` for several photographs, of any sizes, in one batch of the network.

        Takes and gives tensors on the CPU, wherever the network is.
        """
        logits = self.logits([self.prepare(each.to(self.device)) for each in photographs])
        return [
            self.restore(one[None], photograph.shape[0], photograph.shape[1])
            for one, photograph in zip(logits, photographs, strict=True)
        ]

    @torch.inference_mode()
    def logits(self, prepared: Sequence[Tensor]) -> Tensor:
        """(1, 3, S, S) each, from `prepare`, to (N, C, S, S) logits on the CPU."""
        images = torch.cat(list(prepared)).to(memory_format=torch.channels_last)
        return self.network(images).cpu()

    def prepare(self, photograph: Tensor) -> Tensor:
        """(H, W, 3) uint8 to (1, 3, S, S) float32: stretched to the square, normalised."""
        image = photograph.permute(2, 0, 1)[None].float()
        square = F.interpolate(
            image, size=(self.size, self.size), mode="bilinear", align_corners=False, antialias=True
        )
        return self.normalise(square)

    def enlarge(self, logits: Tensor, height: int, width: int) -> Tensor:
        """(N, C, S, S) logits to (N, C, height, width)."""
        return F.interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)

    def restore(self, logits: Tensor, height: int, width: int) -> Tensor:
        """(1, C, S, S) logits to the (height, width) uint8 mask of the likeliest classes."""
        # Not argmax, which takes ten times as long on a CPU; exported, both are ArgMax.
        return self.enlarge(logits, height, width).max(dim=1).indices[0].to(torch.uint8)
