"""Training on a handful of handmade pictures: what it writes."""

import json
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import yaml
from lightning_fabric import Fabric
from tiny_pets import LISTS, write_params
from torch import nn
from training import outputs, train_here

from pipeline.data.cache import open_pictures
from pipeline.data.transforms import Normalise
from pipeline.model.checkpoint import load_checkpoint
from pipeline.model.losses import segmentation_loss
from pipeline.model.training import Learner, validate
from pipeline.scoring.confusion import confusion_matrix, iou, margins, mean_iou


def train():
    train_here()
    return outputs(Path())


def test_smaller_crops_are_trained_on_but_scores_are_of_whole_images(tiny_pets):
    augmentation = yaml.safe_load(Path("params.yaml").read_text())["train"]["augmentation"]
    write_params(tiny_pets, train={"image_size": 64, "precision": "fp32"})
    whole = train()
    augmentation["crop_size"] = 32
    sized = {"image_size": 64, "augmentation": augmentation, "precision": "fp32"}
    write_params(tiny_pets, train=sized)
    cropped = train()
    require_scores_of_whole_images()
    assert cropped["models/config.json"] == whole["models/config.json"]
    assert cropped["models/checkpoint.pth"] != whole["models/checkpoint.pth"]


def test_the_best_epoch_on_the_validation_list_is_kept(tiny_pets):
    write_params(tiny_pets, train={"epochs": 12, "lr": 0.02, "precision": "fp32"})
    train()
    curves = pd.read_csv("plots/curves.csv")
    summary = json.loads(Path("metrics/train.json").read_text())
    assert curves["epoch"].tolist() == list(range(1, 13))
    assert summary["val"]["miou"] == curves["val_miou"].max()
    assert summary["best_epoch"] == curves["epoch"][curves["val_miou"].idxmax()]
    assert curves["train_loss"].iloc[-1] < 0.6 * curves["train_loss"].iloc[0]
    require_scores_of_whole_images()


def require_scores_of_whole_images():
    """The files on disk, scored again, must give the numbers that the training wrote."""
    summary = json.loads(Path("metrics/train.json").read_text())
    network, config = load_checkpoint(Path("models"))
    pictures = open_pictures(Path("data/pairs"), LISTS["val"], config.image_size)
    batches = [(pictures.images, pictures.masks.long())]
    model = nn.Sequential(Normalise(config.normalisation), network)
    count_pixels = partial(confusion_matrix, classes=3)
    fabric = Fabric(accelerator="cpu", devices=1)
    learner = Learner(fabric, network, model, None, None)
    loss, counts = validate(learner, batches, segmentation_loss, count_pixels)
    counted = margins(counts.numpy())
    assert mean_iou(counted) == pytest.approx(summary["val"]["miou"], abs=1e-3)
    assert iou(counted)[0] == pytest.approx(summary["val"]["iou"]["pet"], abs=1e-3)
    assert loss == pytest.approx(summary["val"]["loss"], rel=0.02)
