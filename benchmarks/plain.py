"""The plain side: the loop that a tutorial would write, in float32, over the files on disk.

The network, the loss, the kinds of augmentation and their strengths are ours. What a tutorial has
not: decoded pictures kept, bfloat16, the channels_last layout, a fused optimizer, repeatability,
memory that is kept.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.rate import Work
from benchmarks.setting import AUGMENTATION, BATCH, Setting, Training
from pipeline.data.pets import CLASSES, image_path, mask_path
from pipeline.data.settings import Normalisation
from pipeline.model.losses import segmentation_loss
from pipeline.model.torchvision_compat import tv_tensors, v2
from pipeline.model.unet import UNet


class FilesDataset(Dataset[tuple[Tensor, Tensor]]):
    """Photographs and masks decoded at every access; as tensors, which torchvision advises."""

    def __init__(self, folder: Path, names: list[str], size: int) -> None:
        self.folder, self.names = folder, names
        strengths = (AUGMENTATION.brightness, AUGMENTATION.contrast, AUGMENTATION.saturation)
        self.transform = v2.Compose(
            [
                v2.ToImage(),
                v2.RandomHorizontalFlip(),
                # The crop resizes: no need to do it before, too.
                v2.RandomResizedCrop(size, scale=(AUGMENTATION.crop_min_area, 1.0), antialias=True),
                v2.ColorJitter(*strengths),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(Normalisation().mean, Normalisation().std),
            ]
        )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = Image.open(image_path(self.folder, self.names[index])).convert("RGB")
        mask = tv_tensors.Mask(v2.functional.pil_to_tensor(self._mask(index)))
        image, mask = self.transform(image, mask)
        return image, mask[0].long()

    def _mask(self, index: int) -> Image.Image:
        return Image.open(mask_path(self.folder, self.names[index]))


def plain_training(
    setting: Setting, training: Training, device: torch.device, workers: int
) -> Work:
    """A network's training step by step; workers: processes that load, 0 for none but this one."""
    network = UNet(training.model, len(CLASSES)).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.001)
    batches = _endless(
        DataLoader(
            FilesDataset(setting.pets, setting.names(), training.size),
            BATCH,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
    )

    def work(steps: int) -> None:
        network.train()
        running_loss = 0.0
        for images, masks in islice(batches, steps):
            images, masks = images.to(device), masks.to(device)  # noqa: PLW2901
            optimizer.zero_grad()
            loss = segmentation_loss(network(images), masks)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()

    return work


def _endless(batches: DataLoader) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from batches
