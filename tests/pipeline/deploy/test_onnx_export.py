"""The exported file gives the segmenter's masks, with ONNX Runtime alone."""

import re
import shutil
import sys

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from tiny_pets import PETS, REPOSITORY

from pipeline.data.classes import to_metadata
from pipeline.deploy.predictor import Predictor


@pytest.mark.parametrize("size", [(48, 64), (32, 32), (100, 37), (500, 333), (3, 5), (1, 1)])
def test_masks_equal_the_segmenters_at_any_size(segmenter, model_file, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    mask = Predictor(model_file, threads=1)(image)
    assert (mask.shape, mask.dtype) == (size, np.uint8)
    assert (mask != segmenter(torch.from_numpy(image)).numpy()).mean() <= 0.001


@pytest.mark.parametrize("size", [(48, 64), (100, 37), (1, 1)])
def test_the_confidence_is_the_probability_of_the_chosen_class(segmenter, model_file, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    predictor = Predictor(model_file, threads=1)
    mask, confidence = predictor.confident(image)
    assert np.array_equal(mask, predictor(image))
    logits = segmenter.logits([segmenter.prepare(torch.from_numpy(image))])
    expected = segmenter.enlarge(logits.softmax(dim=1).amax(dim=1)[None], *size)[0, 0].numpy()
    assert (confidence.shape, confidence.dtype) == (size, np.uint8)
    assert np.abs(confidence / 255 - expected).max() <= 1 / 255
    # Nobody who does not ask for it pays for it.
    silent = predictor.session.run(["confidence"], {"photograph": image})[0]
    assert silent.size == 0


def test_the_file_is_self_contained_and_describes_itself(model_file):
    model = onnx.load(model_file, load_external_data=False)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert {entry.key: entry.value for entry in model.metadata_props} == to_metadata(PETS)
    given = {tensor.name for tensor in model.graph.initializer}
    assert [each.name for each in model.graph.input if each.name not in given] == ["photograph"]
    assert model.ir_version == 8, "ONNX Runtime 1.16 can read it"
    # Neither the source files nor the build of torch.
    content = model_file.read_bytes()
    assert b".py" not in content
    assert sys.prefix.encode() not in content
    assert model.producer_version == torch.__version__.partition("+")[0]


def test_the_readme_shows_all_that_it_takes_to_use_the_file(model_file, tmp_path, monkeypatch):
    [code] = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    shutil.copy(model_file, "models/model.onnx")
    Image.new("RGB", (50, 40), "brown").save("pet.jpg")
    found = {}
    exec(code, found)
    assert np.array_equal(found["mask"], Predictor(model_file, 1)(found["photograph"]))
    assert found["mask"].shape == (40, 50)
