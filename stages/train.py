"""Train the U-Net on the train list and keep the epoch that scores best on the validation list."""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import nn
from torch.utils.data import DataLoader

from pipeline.data.dataset import PetDataset, read_split
from pipeline.data.pets import CLASSES
from pipeline.data.transforms import Augmentation, AugmentationParams, Normalisation, Normalise
from pipeline.files import write_csv, write_json
from pipeline.model.checkpoint import ModelConfig, checkpoint_digest, save_checkpoint
from pipeline.model.device import prepare_torch
from pipeline.model.loop import train_one_epoch, validate
from pipeline.model.losses import segmentation_loss
from pipeline.model.optimizer import build_optimizer
from pipeline.model.unet import ModelParams, UNet
from pipeline.params import STRICT, read_section
from pipeline.records.tracking import training_run
from pipeline.scoring.confusion import Counts, confusion_matrix, iou, mean_iou
from pipeline.terminal import UserError, console, run_command, track

Row = dict[str, Any]  # one epoch of the curves, as `score_epoch` gives it


@dataclass(frozen=True, config=STRICT)
class TrainParams:
    """How to train."""

    epochs: Annotated[int, Field(gt=0)]
    batch_size: Annotated[int, Field(gt=0)]
    image_size: Annotated[int, Field(ge=32)]  # side of the square that pictures are stretched to
    lr: Annotated[float, Field(gt=0)]  # the highest of the schedule
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)]  # of all steps
    max_gradient_norm: Annotated[float, Field(gt=0)]
    augmentation: AugmentationParams
    threads: Annotated[int, Field(gt=0)]  # on a CPU; the weights depend on it


def main() -> None:
    arguments = parse_arguments()
    params = read_section("train", TrainParams)
    model_params = read_section("model", ModelParams)
    seed = read_section("seed", int)

    device = prepare_torch(seed, params.threads)
    config = ModelConfig(model_params, CLASSES, params.image_size, Normalisation())
    network = UNet(model_params, len(CLASSES)).to(device)
    train_set = load_pictures(arguments, "train", params, seed)
    val_set = load_pictures(arguments, "val", params, seed)

    sections = {"seed": seed, "model": model_params, "train": params}
    counts = {"train": len(train_set), "val": len(val_set)}
    with training_run(arguments.pets, sections, counts) as run:
        curves: list[Row] = []
        for row in fit(network, config, train_set, val_set, params):
            if all(row["val"]["miou"] > earlier["val"]["miou"] for earlier in curves):
                save_checkpoint(arguments.models, network, config)
            curves.append(row)
            write_csv(arguments.plots / "curves.csv", pd.json_normalize(curves, sep="_"))
            run.log_metrics({"train": row["train"], "val": row["val"]}, step=row["epoch"])
        write_json(arguments.metrics, summarise(curves, network, counts))
        run.log_artifact(arguments.metrics, "metrics")
        run.log_artifacts(arguments.plots, "plots/train")
        run.finish(checkpoint_digest(arguments.models))


def load_pictures(
    arguments: argparse.Namespace, split: str, params: TrainParams, seed: int
) -> PetDataset:
    """The pictures of a split list at the training size, augmented if they are for training."""
    names = read_split(arguments.splits / f"{split}.csv")["name"].tolist()
    augment = Augmentation(params.augmentation, params.image_size) if split == "train" else None
    return PetDataset(arguments.pets, names, params.image_size, augment, seed)


def fit(
    network: UNet,
    config: ModelConfig,
    train_set: PetDataset,
    val_set: PetDataset,
    params: TrainParams,
) -> Iterator[Row]:
    """Train the network in place; after each epoch yield its losses, scores and learning rate.

    Raises UserError when the loss is no longer finite.
    """
    model = nn.Sequential(Normalise(config.normalisation).to(network.device), network)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    train_batches = DataLoader(
        train_set,
        params.batch_size,
        shuffle=True,
        # A last batch of one or two pictures would upset the batch norm.
        drop_last=len(train_set) > params.batch_size,
        generator=torch.Generator().manual_seed(train_set.seed),
    )
    val_batches = DataLoader(val_set, params.batch_size)
    optimizer, schedule = build_optimizer(
        network.parameters(),
        params.lr,
        params.weight_decay,
        params.warmup_fraction,
        steps=params.epochs * len(train_batches),
    )
    count_pixels = partial(confusion_matrix, classes=len(config.classes))
    for epoch in range(1, params.epochs + 1):
        title = f"epoch {epoch}/{params.epochs}"
        train_set.epoch = epoch
        lr = float(schedule.get_last_lr()[0])
        try:
            with track(train_batches, title, len(train_batches)) as batches:
                train_loss = train_one_epoch(
                    model,
                    batches,
                    segmentation_loss,
                    optimizer,
                    schedule,
                    max_gradient_norm=params.max_gradient_norm,
                )
        except FloatingPointError as error:
            raise UserError(f"{title}: {error}; lower train.lr in params.yaml") from None
        val_loss, counts = validate(model, val_batches, segmentation_loss, count_pixels)
        yield score_epoch(epoch, lr, train_loss, val_loss, counts.numpy())


def score_epoch(epoch: int, lr: float, train_loss: float, val_loss: float, counts: Counts) -> Row:
    """The epoch's number, losses, scores, and the learning rate of its first step; printed too."""
    miou = float(mean_iou(counts))
    ious = dict(zip(CLASSES, iou(counts).tolist(), strict=True))
    console.print(f"  loss {train_loss:.4f}, validation loss {val_loss:.4f}, mIoU {miou:.4f}")
    return {
        "epoch": epoch,
        "train": {"loss": train_loss, "lr": lr},
        "val": {"loss": val_loss, "miou": miou, "iou": ious},
    }


def summarise(curves: list[Row], network: UNet, counts: dict[str, int]) -> Row:
    """The epoch that was kept (the first of the best), and the size of network and lists."""
    best = max(curves, key=lambda row: row["val"]["miou"])
    weights = sum(parameter.numel() for parameter in network.parameters())
    return {
        "best_epoch": best["epoch"],
        "train_loss": best["train"]["loss"],
        "val": best["val"],
        "images": counts,
        "parameters": weights,
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("pets", type=Path, help="folder of pictures and masks, from extract")
    parser.add_argument("splits", type=Path, help="folder of train.csv and val.csv, from split")
    parser.add_argument("models", type=Path, help="folder for checkpoint.pth and config.json")
    parser.add_argument("metrics", type=Path, help="JSON file for the validation scores")
    parser.add_argument("plots", type=Path, help="folder for the curves")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
