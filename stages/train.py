"""Train the U-Net on the train list and keep the epoch that scores best on the validation list."""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
from lightning_fabric import Fabric
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.files import file_digest, write_csv, write_json
from pipeline.core.params import PARAMS_FILE, STRICT, ParamsError, Seed, Threads, read_section
from pipeline.core.terminal import UserError, console, run_command
from pipeline.data.cache import Pictures, open_pictures
from pipeline.data.dataset import PetDataset, ShuffledBatches, batches_in_order, load
from pipeline.data.pets import CLASSES
from pipeline.data.splits import read_split
from pipeline.data.transforms import Augmentation, AugmentationParams, ImageSize
from pipeline.model.checkpoint import (
    ModelConfig,
    checkpoint_digest,
    copy_weights,
    save_checkpoint,
)
from pipeline.model.encoders import normalisation_of
from pipeline.model.engine import Precision, device_name, launch, resolve_precision
from pipeline.model.fit import Epoch, fit
from pipeline.model.learner import Learner, build_learner, go_on
from pipeline.model.losses import segmentation_loss
from pipeline.model.pretrained import check_model
from pipeline.model.resume import TrainingState, training_key, training_state
from pipeline.model.unet import ModelParams
from pipeline.records.lineage import code_digest
from pipeline.records.runs import Run, training_run
from pipeline.scoring.confusion import confusion_matrix
from pipeline.scoring.curves import Row, best_row, curve_row, curve_table, summary

SPLITS = ("train", "val")
Epochs = Callable[..., Iterator[Epoch]]  # `fit` from the epoch `first` on


@dataclass(frozen=True, config=STRICT)
class TrainParams:
    """How to train."""

    epochs: Annotated[int, Field(gt=0, le=1_000_000)]
    batch_size: Annotated[int, Field(gt=0, le=10_000)]  # of all processes together
    image_size: ImageSize  # side of the square that pictures are stretched to
    lr: Annotated[float, Field(gt=0)]  # the highest of the schedule
    encoder_lr_factor: Annotated[float, Field(gt=0)]  # the encoder's lr is this times lr
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)]  # of all steps
    dice_weight: Annotated[float, Field(ge=0)]  # of the Dice loss beside cross-entropy
    max_gradient_norm: Annotated[float, Field(gt=0)]
    augmentation: AugmentationParams
    precision: Precision
    processes: Annotated[int, Field(gt=0, le=256)]  # on this machine; torchrun says its own number
    threads: Threads  # of all processes on a CPU; the weights depend on it


def main() -> None:
    arguments = parse_arguments()
    train = read_section("train", TrainParams)
    model = read_model()
    seed: int = read_section("seed", Seed)

    precision = resolve_precision(train.precision)
    fabric = launch(train.processes, precision, train.threads, seed)
    console.quiet = not fabric.is_global_zero
    pictures = {split: open_split(arguments, split, train.image_size) for split in SPLITS}
    learner, epochs = prepare(fabric, model, train, seed, pictures)

    if fabric.is_global_zero:
        sections = {"seed": seed, "model": model, "train": train}
        engine = {"precision": precision, "processes": fabric.world_size}
        key = training_key(sections, engine, *origins(model, pictures))
        images = {split: len(pictures[split].images) for split in SPLITS}
        with training_state(key) as state:
            run_training(arguments, sections, engine, learner, epochs, images=images, state=state)
    else:  # this process only helps to compute
        rows, _ = go_on(learner, None)
        for _ in epochs(first=len(rows) + 1):
            pass


def read_model() -> ModelParams:
    """The params of a network that can be built. Raises ParamsError, also for what timm refuses."""
    params = read_section("model", ModelParams)
    try:
        check_model(params, len(CLASSES))
    except UserError as error:
        raise ParamsError(f"{PARAMS_FILE}: {error}") from None
    return params


def open_split(arguments: argparse.Namespace, split: str, size: int) -> Pictures:
    """The pictures of a split list at the training size."""
    names = read_split(arguments.splits / f"{split}.csv")["name"].tolist()
    return open_pictures(arguments.pets, names, size)


def prepare(
    fabric: Fabric,
    model: ModelParams,
    train: TrainParams,
    seed: int,
    pictures: Mapping[str, Pictures],
) -> tuple[Learner, Epochs]:
    """The network with its optimizer, and its training on the pictures, epoch by epoch."""
    share = {"rank": fabric.global_rank, "processes": fabric.world_size}
    sizes = {split: len(pictures[split].images) for split in SPLITS}
    shuffled = ShuffledBatches(sizes["train"], train.batch_size, seed, **share)
    in_order = batches_in_order(sizes["val"], train.batch_size, **share)
    augmented = PetDataset(
        pictures["train"], Augmentation(train.augmentation, train.image_size), seed
    )
    learner = build_learner(
        fabric,
        model,
        len(CLASSES),
        lr=train.lr,
        encoder_lr_factor=train.encoder_lr_factor,
        weight_decay=train.weight_decay,
        warmup_fraction=train.warmup_fraction,
        steps=train.epochs * len(shuffled),
    )
    epochs = partial(
        fit,
        learner,
        load(augmented, shuffled, fabric.device),
        load(PetDataset(pictures["val"]), in_order, fabric.device),
        partial(segmentation_loss, dice_weight=train.dice_weight),
        partial(confusion_matrix, classes=len(CLASSES)),
        epochs=train.epochs,
        max_gradient_norm=train.max_gradient_norm,
        seed=seed,
    )
    return learner, epochs


def origins(model: ModelParams, pictures: Mapping[str, Pictures]) -> list[str]:
    """Digests of what else than the params a training depends on: pictures, weights, code."""
    weights = [file_digest(Path(model.weights))] if model.weights else []
    keys = [pictures[split].key for split in SPLITS]
    return [*keys, *weights, code_digest(Path()), torch.__version__]


def run_training(
    arguments: argparse.Namespace,
    sections: Mapping[str, Any],
    engine: Mapping[str, Any],
    learner: Learner,
    epochs: Epochs,
    *,
    images: Mapping[str, int],
    state: TrainingState,
) -> None:
    """Train in a recorded run, and write the weights of the best epoch and the curves.

    images: how many there are, by split.
    """
    with training_run(arguments.pets, sections, images, state.id) as run:
        run.set_tags({**engine, "device": device_name(learner.fabric)})
        rows, best = go_on(learner, state.load())
        for row in rows:
            log_row(run, row)
        for epoch in epochs(first=len(rows) + 1):
            rows.append(curve_row(epoch))
            if best_row(rows) is rows[-1]:
                best = copy_weights(learner.network)
            state.save({"learner": learner.state_dict(), "rows": rows, "best": best})
            log_row(run, rows[-1])
        save_checkpoint(arguments.models, best, config_of(sections["model"], sections["train"]))
        write_csv(arguments.plots / "curves.csv", curve_table(rows))
        parameters = sum(weight.numel() for weight in learner.network.parameters())
        sizes = {"images": images, "parameters": parameters}
        write_json(arguments.metrics, {**summary(rows), **sizes, **engine})
        run.log_artifact(arguments.metrics, "metrics")
        run.log_artifacts(arguments.plots, "plots/train")
        run.finish(checkpoint_digest(arguments.models))
    if os.environ.get("DVC_STAGE"):  # it has still to save the outputs
        state.finish(checkpoint_digest(arguments.models))
    else:
        state.remove()


def config_of(model: ModelParams, train: TrainParams) -> ModelConfig:
    """What it takes to apply the weights; not what they began as."""
    shape = replace(model, weights=None)
    return ModelConfig(shape, CLASSES, train.image_size, normalisation_of(model.encoder))


def log_row(run: Run, row: Row) -> None:
    """Log an epoch and print it; with its own time, so that a repetition changes nothing."""
    run.log_metrics({"train": row["train"], "val": row["val"]}, row["epoch"], row["time"])
    console.print(
        f"  loss {row['train']['loss']:.4f}, validation loss {row['val']['loss']:.4f},"
        f" mIoU {row['val']['miou']:.4f}"
    )


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
