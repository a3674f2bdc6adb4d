"""Train the U-Net on the train list and keep the epoch that scores best on the validation list."""

import argparse
import math
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.files import file_digest, write_csv, write_json
from pipeline.core.layout import CHECKPOINT, in_repository
from pipeline.core.params import STRICT, Seed, Threads, read_section
from pipeline.core.terminal import UserError, console, path_arguments, run_command
from pipeline.data.classes import Classes, read_classes
from pipeline.data.settings import AugmentationParams, ImageSize
from pipeline.model.settings import PAUSE_AFTER, ModelConfig, ModelParams, Precision

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from pipeline.data.cache import Pictures
    from pipeline.model.checkpoint import Weights
    from pipeline.model.training import Learner, Row
    from pipeline.records.runs import Run


@dataclass(frozen=True, config=STRICT)
class TrainParams:
    """How to train."""

    epochs: Annotated[int, Field(gt=0, le=1_000_000)]
    batch_size: Annotated[int, Field(gt=0, le=10_000)]  # of all processes together
    image_size: ImageSize  # side of the square that images are stretched to
    lr: Annotated[float, Field(gt=0)]  # the highest of the schedule
    encoder_lr_factor: Annotated[float, Field(gt=0)]  # the encoder's lr is this times lr
    frozen_levels: Annotated[int, Field(ge=0, le=8)]  # the encoder's first, which do not learn
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)]  # of all steps
    dice_weight: Annotated[float, Field(ge=0)]  # of the Dice loss beside cross-entropy
    class_balance: Annotated[float, Field(ge=0, le=1)]  # how much more rare classes' pixels weigh
    max_gradient_norm: Annotated[float, Field(gt=0)]
    augmentation: AugmentationParams
    precision: Precision
    processes: Annotated[int, Field(gt=0, le=256)]  # on this machine; torchrun sets its own number
    threads: Threads  # of all processes on a CPU; the weights depend on it


def main() -> None:
    paths = {
        "data": "folder of images and masks, from extract",
        "splits": "folder of train.csv, val.csv and what was reviewed of them, from split",
        "models": "folder for checkpoint.pth and config.json",
        "metrics": "JSON file for the validation scores",
        "plots": "folder for the curves",
    }
    arguments = path_arguments("train", __doc__, paths)
    train = read_section("train", TrainParams)
    model = read_section("model", ModelParams)
    seed: int = read_section("seed", Seed)
    pause_after = read_pause()

    from pipeline.data.cache import open_pictures
    from pipeline.data.splits import read_split
    from pipeline.model.engine import launch, resolve_precision
    from pipeline.model.resume import Paused
    from pipeline.model.unet import check_model

    side = train.augmentation.crop_size or train.image_size
    check_model(model, train.frozen_levels, max(1, train.batch_size // train.processes), side)
    precision = resolve_precision(train.precision)
    fabric = launch(train.processes, precision, train.threads, seed)
    console.quiet = not fabric.is_global_zero
    classes = read_classes(arguments.data)
    pictures = {}
    for split in ("train", "val"):
        names = read_split(arguments.splits / f"{split}.csv")["name"].tolist()
        pictures[split] = open_pictures(
            arguments.data, names, train.image_size, reviewed=arguments.splits
        )
    sections: dict[str, Any] = {"seed": seed, "model": model, "train": train}
    learner, fit = prepare(fabric, pictures, classes, **sections)
    run_epochs = partial(fit, pause_after=pause_after)
    if not fabric.is_global_zero:  # this process only helps to compute
        with suppress(Paused):  # which the first one reports
            run_epochs(state=None, log=lambda _: None)
        return
    engine = {"precision": precision, "processes": fabric.world_size}
    run_training(
        arguments, sections, engine, learner, run_epochs, pictures=pictures, classes=classes
    )


def run_training(
    arguments: argparse.Namespace,
    sections: Mapping[str, Any],
    engine: Mapping[str, Any],
    learner: "Learner",
    run_epochs: Callable,
    *,
    pictures: "Mapping[str, Pictures]",
    classes: Classes,
) -> None:
    """Train in a recorded run, from the saved state if there is one, and write what came out."""
    from pipeline.model.checkpoint import save_checkpoint
    from pipeline.model.encoders import normalisation_of
    from pipeline.model.engine import device_name
    from pipeline.model.resume import training_key, training_state
    from pipeline.model.training import curve_table, kept_epoch
    from pipeline.records.runs import training_run

    model, train = sections["model"], sections["train"]
    images = {split: len(each.images) for split, each in pictures.items()}
    weights = [in_repository(model.weights)] if model.weights else []
    content = [classes.dataset, classes.names, *(each.key for each in pictures.values())]
    key = training_key(sections, engine, content, files=weights)
    shape = replace(model, weights=None)  # what the network started from is not needed to apply it
    config = ModelConfig(shape, classes, train.image_size, normalisation_of(model.encoder))
    with training_state(key) as state:
        with training_run(arguments.data, sections, images, state.id) as run:
            run.set_tags({**engine, "device": device_name(learner.fabric)})
            rows, best = run_recorded(run, partial(run_epochs, state=state))
            parameters = sum(weight.numel() for weight in learner.network.parameters())
            facts = {"images": images, "parameters": parameters}
            save_checkpoint(arguments.models, best, config)
            write_csv(arguments.plots / "curves.csv", curve_table(rows))
            write_json(arguments.metrics, {**kept_epoch(rows), **facts})
            run.log_artifact(arguments.metrics, "metrics")
            run.log_artifact(arguments.plots, "plots/train")
            run.finish(file_digest(arguments.models / CHECKPOINT.name))
        if os.environ.get("DVC_STAGE"):  # DVC has yet to save the outputs
            state.finish(arguments.models / CHECKPOINT.name)
        else:
            state.remove()


def read_pause() -> float:
    """The number of epochs in PETSEG_PAUSE_AFTER; infinity without it. Raises UserError."""
    text = os.environ.get(PAUSE_AFTER)
    if text is None:
        return math.inf
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UserError(f"{PAUSE_AFTER}={text}: expected a number of epochs, 1 or more")
    return int(text)


def prepare(
    fabric: "Fabric",
    pictures: "Mapping[str, Pictures]",
    classes: Classes,
    *,
    seed: int,
    model: ModelParams,
    train: TrainParams,
) -> "tuple[Learner, Callable]":
    """The network with its optimizer, and `fit`, which lacks `pause_after`, `state` and `log`."""
    from pipeline.data.transforms import Augmentation
    from pipeline.model.losses import balanced_weights, segmentation_loss
    from pipeline.model.training import build_batches, build_learner, fit
    from pipeline.scoring.confusion import class_scores, confusion_matrix

    size = train.augmentation.crop_size or train.image_size
    augment = Augmentation(train.augmentation, size)
    batches = build_batches(fabric, pictures, augment, train.batch_size, seed)
    names = ("lr", "encoder_lr_factor", "frozen_levels", "weight_decay", "warmup_fraction")
    rates = {name: getattr(train, name) for name in names}
    steps = train.epochs * len(batches[0])
    learner = build_learner(fabric, model, len(classes), **rates, steps=steps)
    weights = balanced_weights(pictures["train"].masks, len(classes), train.class_balance)
    return learner, partial(
        fit,
        learner,
        *batches,
        loss_function=partial(
            segmentation_loss, dice_weight=train.dice_weight, class_weights=weights
        ),
        count_pixels=partial(confusion_matrix, classes=len(classes)),
        score=partial(class_scores, classes=classes.names),
        epochs=train.epochs,
        max_gradient_norm=train.max_gradient_norm,
        seed=seed,
    )


def run_recorded(run: "Run", run_epochs: Callable) -> "tuple[list[Row], Weights]":
    """Log each epoch, and the pause if the training stops at one, to be continued."""
    from pipeline.model.resume import Paused
    from pipeline.records.runs import PAUSED_TAG

    try:
        return run_epochs(log=partial(log_row, run))
    except Paused as pause:
        run.set_tags({PAUSED_TAG: pause.epochs})
        raise


def log_row(run: "Run", row: "Row") -> None:
    """Log and print an epoch; with its own time, so that logging it twice changes nothing."""
    run.log_metrics({"train": row["train"], "val": row["val"]}, row["epoch"], row["time"])
    console.print(
        f"  loss {row['train']['loss']:.4f}, validation loss {row['val']['loss']:.4f},"
        f" mIoU {row['val']['miou']:.4f}"
    )


if __name__ == "__main__":
    run_command(main)
