"""An ONNX file can do nothing but calculate, and one of another kind is told apart at once."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tiny_models import write_traffic_light

from pipeline.core.terminal import UserError
from pipeline.deploy.predictor import Predictor

IMAGE = helper.make_tensor_value_info("image", TensorProto.UINT8, ["height", "width", 3])
MASK = helper.make_tensor_value_info("mask", TensorProto.UINT8, ["height", "width"])
AXES = helper.make_tensor("axes", TensorProto.INT64, [1], [2])


def tried(file: Path) -> Predictor:
    return Predictor(file, threads=1).tried()


def write(file: Path, nodes, constants=(), image=IMAGE) -> Path:
    graph = helper.make_graph(nodes, "graph", [image], [MASK], [AXES, *constants])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("evil", 1)]
    file.write_bytes(
        helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    )
    return file


def dimmed_by(constant: str) -> list[onnx.NodeProto]:
    """The brightest channel, or the constant's largest number if that is less."""
    return [
        helper.make_node("ReduceMax", ["image", "axes"], ["brightest"], keepdims=0),
        helper.make_node("ReduceMax", [constant], ["largest"], keepdims=0),
        helper.make_node("Min", ["brightest", "largest"], ["mask"]),
    ]


def test_a_model_of_our_kind_is_itself(tmp_path):
    predictor = tried(write_traffic_light(tmp_path / "model.onnx"))
    assert predictor(np.zeros((2, 3, 3), np.uint8)).shape == (2, 3)


@pytest.mark.parametrize("place", ["/etc/passwd", "../../../../../../etc/passwd", "link"])
def test_weights_outside_the_models_folder_are_not_read(tmp_path, place):
    (tmp_path / "link").symlink_to("/etc/passwd")
    outside = TensorProto(name="outside", data_type=TensorProto.UINT8, dims=[16])
    outside.data_location = TensorProto.EXTERNAL
    for key, value in {"location": place, "offset": "0", "length": "16"}.items():
        outside.external_data.add(key=key, value=value)
    file = write(tmp_path / "model.onnx", dimmed_by("outside"), [outside])
    with pytest.raises(UserError, match="External data path validation failed"):
        tried(file)


def test_an_operator_of_someones_own_is_not_loaded(tmp_path):
    node = helper.make_node("Run", ["image"], ["mask"], domain="evil")
    with pytest.raises(UserError, match="not a model that ONNX Runtime can load"):
        tried(write(tmp_path / "model.onnx", [node]))


def test_a_constant_larger_than_memory_is_an_error(tmp_path):
    size = helper.make_tensor("size", TensorProto.INT64, [1], [2**45])
    make = helper.make_node("ConstantOfShape", ["size"], ["huge"])
    make.attribute.append(
        helper.make_attribute("value", helper.make_tensor("one", TensorProto.UINT8, [1], [1]))
    )
    with pytest.raises(UserError, match=r"model\.onnx takes no photographs"):
        tried(write(tmp_path / "model.onnx", [make, *dimmed_by("huge")], [size]))


def test_a_model_of_other_inputs_takes_no_photographs(tmp_path):
    numbers = helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [1, 3])
    node = helper.make_node("Cast", ["numbers"], ["mask"], to=TensorProto.UINT8)
    with pytest.raises(UserError, match=r"model\.onnx takes no photographs"):
        tried(write(tmp_path / "model.onnx", [node], image=numbers))


@pytest.mark.parametrize("content", [b"", b"\xff" * 1000, b"<html>404</html>"])
def test_what_is_no_model_is_named(tmp_path, content):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.onnx is not a model"):
        tried(tmp_path / "model.onnx")
