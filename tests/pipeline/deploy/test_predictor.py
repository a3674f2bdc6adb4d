"""An ONNX file can only calculate; other kinds are refused; an image of any size gets its mask."""

from itertools import groupby
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tiny_models import BACKGROUND, BLUE, BORDER, COLOURS, GREEN, PET, RED, write_traffic_light

from pipeline.core.terminal import UserError
from pipeline.deploy import predictor as module
from pipeline.deploy.predictor import Predictor, latencies, predict_mask

IMAGE = helper.make_tensor_value_info("image", TensorProto.UINT8, ["height", "width", 3])
MASK = helper.make_tensor_value_info("mask", TensorProto.UINT8, ["height", "width"])
AXES = helper.make_tensor("axes", TensorProto.INT64, [1], [2])


def tried(file: Path) -> Predictor:
    return Predictor(file, threads=1).tried()


def write(file: Path, nodes, constants=(), image=IMAGE) -> Path:
    graph = helper.make_graph(nodes, "graph", [image], [MASK], [AXES, *constants])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("evil", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    file.write_bytes(model.SerializeToString())
    return file


def dimmed_by(constant: str) -> list[onnx.NodeProto]:
    """The brightest channel, or the constant's largest number if that is less."""
    return [
        helper.make_node("ReduceMax", ["image", "axes"], ["brightest"], keepdims=0),
        helper.make_node("ReduceMax", [constant], ["largest"], keepdims=0),
        helper.make_node("Min", ["brightest", "largest"], ["mask"]),
    ]


def test_a_model_of_our_kind_predicts(tmp_path):
    predictor = tried(write_traffic_light(tmp_path / "model.onnx"))
    assert predictor(np.array([[RED, GREEN, BLUE]], np.uint8)).tolist() == [[0, 2, 1]]


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


def test_a_custom_operator_other_inputs_and_a_constant_larger_than_memory_are_errors(tmp_path):
    node = helper.make_node("Run", ["image"], ["mask"], domain="evil")
    with pytest.raises(UserError, match="not a model that ONNX Runtime can load"):
        tried(write(tmp_path / "model.onnx", [node]))
    numbers = helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [1, 3])
    node = helper.make_node("Cast", ["numbers"], ["mask"], to=TensorProto.UINT8)
    with pytest.raises(UserError, match=r"model\.onnx takes no photographs"):
        tried(write(tmp_path / "model.onnx", [node], image=numbers))
    size = helper.make_tensor("size", TensorProto.INT64, [1], [2**45])
    one = helper.make_tensor("one", TensorProto.UINT8, [1], [1])
    make = helper.make_node("ConstantOfShape", ["size"], ["huge"], value=one)
    with pytest.raises(UserError, match=r"model\.onnx takes no photographs"):
        tried(write(tmp_path / "model.onnx", [make, *dimmed_by("huge")], [size]))


@pytest.mark.parametrize("content", [b"", b"\xff" * 1000, b"<html>404</html>"])
def test_a_file_that_is_no_model_is_named(tmp_path, content):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.onnx is not a model"):
        tried(tmp_path / "model.onnx")
    with pytest.raises(UserError, match="missing"):
        tried(tmp_path / "none.onnx")


def striped(height, width):
    """Stripes of the three classes side by side, and their mask."""
    ids = np.repeat([PET, BACKGROUND, BORDER], -(-width // 3))[:width].astype(np.uint8)
    mask = np.repeat(ids[None], height, axis=0)
    return COLOURS[mask], mask


# The sizes are (height, width); the larger edges of the stripes are multiples of five.
@pytest.mark.parametrize(
    ("size", "seen"), [((10, 60), (10, 60)), ((100, 300), (20, 60)), ((1, 6000), (1, 60))]
)
@pytest.mark.parametrize("upright", [False, True])
def test_a_large_image_is_reduced_for_the_model_and_its_mask_enlarged(
    monkeypatch, size, seen, upright
):
    monkeypatch.setattr(module, "LONGEST_SIDE", 60)
    image, mask = striped(*size)
    if upright:
        image, mask, seen = np.ascontiguousarray(image.transpose(1, 0, 2)), mask.T, seen[::-1]

    def model(pixels):
        assert (pixels.shape, pixels.dtype) == ((*seen, 3), np.uint8)
        red, green = pixels[..., 0] > 128, pixels[..., 1] > 128
        return np.select([red, green], [PET, BORDER], BACKGROUND).astype(np.uint8)

    predicted = predict_mask(model, image)
    assert predicted.dtype == np.uint8
    np.testing.assert_array_equal(predicted, mask)


def test_timed_works_take_turns_after_a_warm_up_that_does_not_count():
    calls = []
    taken = latencies({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 4)
    runs = [(name, len(list(run))) for name, run in groupby(calls)]
    assert runs == [("a", 3), ("b", 3), *[("a", 1), ("b", 1)] * 4]
    assert {name: len(times) for name, times in taken.items()} == {"a": 4, "b": 4}
    assert all(time > 0 for times in taken.values() for time in times)
