"""Train segmentation_models.pytorch's U-Net for so many minutes, and score it as ours was scored.

In a workspace whose pipeline has run: with its encoder and ImageNet weights, images, augmentation
and number format. The rest is what the library's examples do: Adam at 0.0002, falling by a cosine
to 0.00001, and the Dice loss over batches of 32. No time is taken for validation.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from benchmarks.ours import SEED, endless
from pipeline.core.files import read_csv
from pipeline.core.layout import MODELS, PAIRS, PARAMS, SPLITS, TABLES
from pipeline.core.params import check_values, read_params
from pipeline.core.terminal import positive, progress, run_command
from pipeline.data.cache import open_pictures
from pipeline.data.classes import IGNORE
from pipeline.data.dataset import PairDataset
from pipeline.data.settings import AugmentationParams
from pipeline.data.splits import read_split
from pipeline.data.transforms import Augmentation, Normalise
from pipeline.model.checkpoint import load_checkpoint
from pipeline.model.encoders import TimmEncoder, import_timm, load_pretrained
from pipeline.model.engine import launch, resolve_precision
from pipeline.model.settings import ModelConfig
from pipeline.scoring.measure import evaluate_images
from pipeline.scoring.segmenter import Segmenter
from pipeline.scoring.tables import headline, headline_words, score_table

BATCH, HIGHEST_LR, LOWEST_LR = 32, 2e-4, 1e-5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.smp", description=__doc__)
    parser.add_argument("--minutes", type=float, required=True, help="how long to train")
    parser.add_argument("--threads", type=positive, default=torch.get_num_threads())
    arguments = parser.parse_args()
    config = load_checkpoint(MODELS)[1]
    fabric = launch(1, resolve_precision("auto"), arguments.threads, SEED)
    learned, names = (read_split(SPLITS / f"{name}.csv")["name"] for name in ("train", "test"))
    network = build_network(config)
    dataset = augmented(learned.tolist(), config.image_size)
    batches = endless(fabric, dataset, BATCH)
    images = train(network, config, fabric, batches, arguments.minutes)

    segmenter = Segmenter(network.eval(), config).to(fabric.device)
    classes = config.classes
    table = score_table(evaluate_images(segmenter, names.tolist(), [PAIRS], 16), classes)
    words = headline_words(classes)
    both = table.merge(read_csv(TABLES / "scores.csv"), on="score", suffixes=(" smp", " ours"))
    print(both[both["score"].isin(words)].to_string(index=False, float_format="{:.4f}".format))
    print(json.dumps({"epochs": images / len(dataset), **headline(table, len(names), classes)}))


def build_network(config: ModelConfig) -> nn.Module:
    """The library's U-Net on our encoder, with the same ImageNet weights."""
    import_timm()  # which the library would import without torchvision_compat
    from segmentation_models_pytorch import Unet  # noqa: PLC0415

    ours = TimmEncoder(config.model.encoder, len(config.model.features))
    load_pretrained(ours, config.model)
    network = Unet(f"tu-{ours.name}", encoder_weights=None, classes=len(config.classes))
    network.encoder.model.load_state_dict(ours.network.state_dict())
    return network


def augmented(names: Sequence[str], size: int) -> PairDataset:
    """The images that our model learned from, varied as ours were."""
    values = read_params()["train"]["augmentation"]
    params = check_values(values, AugmentationParams, PARAMS, "train.augmentation")
    augment = Augmentation(params, params.crop_size or size)
    return PairDataset(open_pictures(PAIRS, names, size, reviewed=SPLITS), augment, SEED)


def train(
    network: nn.Module,
    config: ModelConfig,
    fabric: Fabric,
    batches: Iterator[tuple[Tensor, Tensor]],
    minutes: float,
) -> int:
    """Train so long; return how many images it saw. The learning rate follows the clock."""
    from segmentation_models_pytorch.losses import DiceLoss  # noqa: PLC0415

    loss_function = DiceLoss("multiclass", from_logits=True, ignore_index=IGNORE)
    model: nn.Module = nn.Sequential(Normalise(config.normalisation), network)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model, optimizer = fabric.setup(model, torch.optim.Adam(model.parameters(), HIGHEST_LR))
    model.train()
    start, end, seen = time.monotonic(), 60 * minutes, 0
    with progress() as bars:
        bar = bars.add_task("training, in seconds", total=end)
        while (seconds := time.monotonic() - start) < end:
            bars.update(bar, completed=int(seconds))
            for group in optimizer.param_groups:
                cosine = (1 + math.cos(math.pi * seconds / end)) / 2
                group["lr"] = LOWEST_LR + (HIGHEST_LR - LOWEST_LR) * cosine
            images, masks = next(batches)
            loss = loss_function(model(images.to(fabric.device)), masks.to(fabric.device))
            optimizer.zero_grad()
            fabric.backward(loss)
            optimizer.step()
            seen += len(images)
    return seen


if __name__ == "__main__":
    run_command(main)
