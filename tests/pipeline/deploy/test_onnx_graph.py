"""The exported file gives the segmenter's masks, with ONNX Runtime alone."""

import re
import shutil
import sys

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from tiny_pets import REPOSITORY

from pipeline.core.terminal import UserError
from pipeline.deploy.onnx_graph import export_onnx
from pipeline.deploy.predictor import Predictor


@pytest.mark.parametrize("size", [(48, 64), (32, 32), (100, 37), (500, 333), (3, 5), (1, 1)])
def test_masks_equal_the_segmenters_at_any_size(segmenter, model_file, size):
    photograph = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    mask = Predictor(model_file, threads=1)(photograph)
    assert mask.shape == size
    assert mask.dtype == np.uint8
    assert (mask != segmenter(torch.from_numpy(photograph)).numpy()).mean() <= 0.001


def test_the_file_is_self_contained_and_says_what_it_is(model_file):
    model = onnx.load(model_file, load_external_data=False)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert {entry.key: entry.value for entry in model.metadata_props} == {"classes": '["pet"]'}
    assert [graph_input.name for graph_input in model.graph.input] == ["photograph"]


def test_equal_weights_give_equal_bytes(segmenter, model_file, tmp_path):
    again = tmp_path / "again.onnx"
    export_onnx(again, segmenter, {"classes": '["pet"]'})
    assert again.read_bytes() == model_file.read_bytes()


def test_the_file_names_no_source_file(model_file):
    content = model_file.read_bytes()
    assert b".py" not in content
    assert sys.prefix.encode() not in content


def test_a_file_that_is_no_model_is_named(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(UserError, match=r"model\.onnx is not a model"):
        Predictor(tmp_path / "model.onnx", threads=1)
    with pytest.raises(UserError, match="missing"):
        Predictor(tmp_path / "none.onnx", threads=1)


def test_the_build_of_torch_leaves_no_trace_in_the_file(model_file):
    producer = onnx.load(model_file).producer_version
    assert producer == torch.__version__.partition("+")[0]


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
