"""Export: the file, the proof that it is the checkpoint, the version in the registry."""

import json
import sys
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from tiny_pets import write_params

from pipeline.data.pets import CLASSES
from pipeline.data.transforms import Normalisation
from pipeline.deploy import predictor
from pipeline.files import file_digest
from pipeline.model.checkpoint import ModelConfig, checkpoint_digest, copy_weights, save_checkpoint
from pipeline.model.unet import ModelParams, UNet
from pipeline.terminal import UserError
from stages import export as stage


@pytest.fixture
def checkpoint(tiny_pets):
    """An untrained model with test scores, as train and evaluate leave them."""
    torch.manual_seed(0)
    config = ModelConfig(ModelParams(features=(4, 8)), CLASSES, 32, Normalisation())
    save_checkpoint(tiny_pets / "models", copy_weights(UNet(config.model)), config)
    (tiny_pets / "metrics").mkdir()
    (tiny_pets / "metrics/evaluate.json").write_text(json.dumps({"miou": 0.25}))
    return tiny_pets


def export(monkeypatch):
    command = (
        "export data/pets data/splits models metrics/evaluate.json models/model.onnx"
        " metrics/export.json"
    )
    monkeypatch.setattr(sys, "argv", command.split())
    stage.main()
    return json.loads(Path("metrics/export.json").read_text())


def versions(workspace):
    return MlflowClient(f"sqlite:///{workspace}/mlflow.db").search_model_versions()


def test_the_exported_model_agrees_with_the_checkpoint(checkpoint, monkeypatch):
    parity = export(monkeypatch)
    assert parity["disagreement"] <= 0.001
    assert parity["bytes"] == Path("models/model.onnx").stat().st_size


def test_the_model_is_registered_once_with_its_scores_and_no_alias(checkpoint, monkeypatch):
    export(monkeypatch)
    export(monkeypatch)
    (version,) = versions(checkpoint)
    assert version.name == "pet-segmentation"
    assert version.tags["onnx.sha256"] == file_digest(Path("models/model.onnx"))
    assert version.tags["checkpoint.sha256"] == checkpoint_digest(Path("models"))
    assert float(version.tags["test.miou"]) == 0.25
    assert version.aliases == []


def test_a_model_that_disagrees_fails_and_is_not_registered(checkpoint, monkeypatch):
    honest = predictor.Predictor.__call__
    monkeypatch.setattr(
        predictor.Predictor, "__call__", lambda self, photograph: (honest(self, photograph) + 1) % 3
    )
    with pytest.raises(UserError, match=r"100\.0000% of the test pixels.*max_disagreement"):
        export(monkeypatch)
    assert versions(checkpoint) == []


def test_the_file_says_which_checkpoint_it_came_from(checkpoint, monkeypatch):
    write_params(checkpoint, export={"threads": 1})
    export(monkeypatch)
    session = predictor.Predictor(Path("models/model.onnx"), threads=1).session
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["checkpoint.sha256"] == checkpoint_digest(Path("models"))
    assert json.loads(metadata["classes"]) == list(CLASSES)
