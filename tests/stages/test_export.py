"""Export: both files, the proof that they are the checkpoint, the version in the registry."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import call
from tiny_models import save_random_model
from tiny_pets import LISTS, PETS, move_into_shards
from training import client, runs

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.data.images import load_image, save_mask
from pipeline.data.pairs import image_path, mask_path
from pipeline.deploy.predictor import Predictor
from pipeline.model.checkpoint import checkpoint_digest
from pipeline.monitoring.reference import read_reference
from pipeline.records.models import find_reference
from pipeline.records.versions import list_versions
from pipeline.scoring.confusion import margins, mean_iou
from stages import export as stage

MODEL, INT8 = Path("models/model.onnx"), Path("models/model.int8.onnx")
REFERENCE = Path("models/model.reference.json")
PAIRS = Path("data/pairs")


@pytest.fixture
def checkpoint(tiny_pets):
    """An untrained model with test scores, as train and evaluate leave them."""
    save_random_model(tiny_pets / "models")
    (tiny_pets / "metrics").mkdir()
    (tiny_pets / "metrics/evaluate.json").write_text(json.dumps({"miou": 0.25}))
    return tiny_pets


def export():
    paths = "data/pairs data/splits models metrics/evaluate.json models/model.onnx"
    call(stage, *paths.split(), "metrics/export.json")
    return json.loads(Path("metrics/export.json").read_text())


def versions(workspace):
    return client(workspace).search_model_versions()


def test_both_files_are_measured_and_the_model_is_registered(checkpoint):
    metrics = export()
    int8 = metrics["int8"]
    assert metrics["disagreement"] <= 0.001
    assert metrics["disagreement"] < int8["disagreement"] <= 0.1
    assert (metrics["bytes"], int8["bytes"]) == (MODEL.stat().st_size, INT8.stat().st_size)
    assert int8["miou_drop"] == pytest.approx(metrics["miou"] - int8["miou"], abs=1e-6)
    assert int8["offered"] == (int8["miou_drop"] <= 0.005)

    (run,) = runs(checkpoint)
    assert run.data.metrics["export.int8.miou"] == int8["miou"]
    (version,) = versions(checkpoint)
    assert version.tags["onnx.sha256"] == file_digest(MODEL)
    assert version.tags["checkpoint.sha256"] == checkpoint_digest(Path("models"))
    assert version.tags["int8.sha256"] == file_digest(INT8)
    assert float(version.tags["test.miou"]) == 0.25
    for file in (MODEL, INT8):
        predictor = Predictor(file, threads=1)
        assert predictor.classes.entries == PETS.entries
        metadata = predictor.session.get_modelmeta().custom_metadata_map
        assert metadata["checkpoint.sha256"] == checkpoint_digest(Path("models"))


@pytest.mark.parametrize(("int8_miou", "offered"), [(0.795, True), (0.794999, False), (0.9, True)])
def test_int8_is_offered_up_to_the_allowed_drop(tmp_path, int8_miou, offered):
    found = {name: {"miou": miou} for name, miou in (("fp32", 0.8), ("int8", int8_miou))}
    files = dict.fromkeys(found, tmp_path)
    metrics = stage.export_metrics(found, files, allowed_drop=0.005)
    assert metrics["int8"]["offered"] is offered


def test_equal_checkpoints_give_equal_bytes_of_both_files(checkpoint):
    """Whatever the test images are: INT8's ranges are learned from training images alone.

    Nor does it matter that the second time the pairs are in shards.
    """
    export()
    before = {file: file.read_bytes() for file in (MODEL, INT8)}
    for file in before:
        file.unlink()
    for name in LISTS["test"]:
        Image.new("RGB", (64, 64)).save(image_path(PAIRS, name))
        save_mask(mask_path(PAIRS, name), np.ones((64, 64), np.uint8), PETS.palette)
    move_into_shards(PAIRS, 2)
    export()
    assert {file: file.read_bytes() for file in before} == before
    assert len(versions(checkpoint)) == 1


def test_what_the_file_sees_of_the_test_pictures_is_registered_with_it(checkpoint):
    metrics = export()
    seen = read_reference(REFERENCE)
    assert seen.classes == list(PETS.names)
    images = [load_image(image_path(PAIRS, name)) for name in LISTS["test"]]
    assert seen.pictures["height"].tolist() == [len(image) for image in images]
    counted = margins(seen.confusion)
    assert float(mean_iou(counted)) == pytest.approx(metrics["miou"], abs=1e-6)
    assert seen.pixels.sum(axis=1).tolist() == counted[:, 1].tolist()
    assert seen.right.sum(axis=1).tolist() == counted[:, 2].tolist()
    (version,) = versions(checkpoint)
    assert version.tags["reference.sha256"] == file_digest(REFERENCE)
    kept = find_reference(list_versions()[0])
    assert kept.read_bytes() == REFERENCE.read_bytes()

    before = REFERENCE.read_bytes()
    REFERENCE.unlink()
    export()
    assert REFERENCE.read_bytes() == before


def test_a_model_that_disagrees_fails_and_is_not_registered(checkpoint, monkeypatch):
    honest = Predictor.__call__
    monkeypatch.setattr(Predictor, "__call__", lambda self, image: (honest(self, image) + 1) % 3)
    with pytest.raises(UserError, match=r"100\.0000% of the test pixels.*max_disagreement"):
        export()
    assert versions(checkpoint) == []
