"""The plain side: the loop of a tutorial, in float32, over the files on disk, in its own process.

Network, loss, kinds of augmentation and their strengths are ours. A tutorial has none of: decoded
images kept, bfloat16, the channels_last layout, a fused optimizer, repeatability, memory kept. The
process is separate because ours sets some of these for the whole process.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain, islice, product, repeat
from multiprocessing import get_context, get_start_method, set_start_method
from typing import Any

import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.measure import Rate, Work
from benchmarks.ours import AUGMENTATION, BATCH, SEED, Training, class_number, train_names
from pipeline.core.layout import PAIRS
from pipeline.data.pairs import image_path, mask_path
from pipeline.data.settings import Normalisation
from pipeline.model.losses import segmentation_loss
from pipeline.model.torchvision_compat import tv_tensors, v2
from pipeline.model.unet import UNet

WORKERS = (0, 2)  # loading processes, 0 for none but the training's own; the faster counts

_rates: dict[str, Rate] = {}  # filled in the plain process


class FilesDataset(Dataset[tuple[Tensor, Tensor]]):
    """Images and masks decoded at every access, then handled as tensors, as torchvision advises."""

    def __init__(self, size: int) -> None:
        self.names = train_names()
        colours = v2.ColorJitter(
            AUGMENTATION.brightness, AUGMENTATION.contrast, AUGMENTATION.saturation
        )
        # The crop resizes: no need to do it before, too.
        crop = v2.RandomResizedCrop(size, (AUGMENTATION.crop_min_area, 1.0), antialias=True)
        floats = v2.ToDtype(torch.float32, scale=True)
        normalise = v2.Normalize(Normalisation().mean, Normalisation().std)
        steps = [v2.ToImage(), v2.RandomHorizontalFlip(), crop, colours, floats, normalise]
        self.transform = v2.Compose(steps)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = Image.open(image_path(PAIRS, self.names[index])).convert("RGB")
        mask = v2.functional.pil_to_tensor(Image.open(mask_path(PAIRS, self.names[index])))
        image, mask = self.transform(image, tv_tensors.Mask(mask))
        return image, mask[0].long()


def plain_training(training: Training, device: torch.device, workers: int) -> Work:
    """Train a network step by step, with so many loading processes."""
    network = UNet(training.model, class_number()).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.001)
    loading: dict[str, Any] = {"num_workers": workers, "persistent_workers": workers > 0}
    loader = DataLoader(FilesDataset(training.size), BATCH, shuffle=True, **loading)
    batches = chain.from_iterable(repeat(loader))

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


def plain_rates(
    fabric: Fabric, trainings: Mapping[str, Training], threads: int, seconds: float
) -> dict[str, Callable[[], float]]:
    """Images per second, by training and loading processes; a call waits for the plain process.

    That process uses the same kind of device, and ends with this one.
    """
    arguments = (trainings, fabric.device.type, threads, seconds, get_start_method())
    process = ProcessPoolExecutor(1, get_context("spawn"), _prepare, arguments)
    names = [f"{name}.plain_{workers}_workers" for name, workers in product(trainings, WORKERS)]
    return {name: partial(_measure_there, process, name) for name in names}


def _measure_there(process: ProcessPoolExecutor, name: str) -> float:
    return process.submit(_measure, name).result()


def _measure(name: str) -> float:
    return _rates[name]()


def _prepare(
    trainings: Mapping[str, Training], device: str, threads: int, seconds: float, start: str
) -> None:
    set_start_method(start, force=True)  # for the loaders: this process itself is spawned
    torch.manual_seed(SEED)
    torch.set_num_threads(threads)
    fabric = Fabric(accelerator=device, devices=1)
    for (name, training), workers in product(trainings.items(), WORKERS):
        work = plain_training(training, fabric.device, workers)
        _rates[f"{name}.plain_{workers}_workers"] = Rate(fabric, work, BATCH, seconds)
