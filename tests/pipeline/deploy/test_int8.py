"""The INT8 file: integers in the network, float around it, the same masks nearly everywhere."""

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from tiny_pets import PETS

from pipeline.data.classes import to_metadata
from pipeline.deploy.int8 import IN_FLOAT, export_int8, split_up_convolutions
from pipeline.deploy.onnx_export import INPUT
from pipeline.deploy.predictor import Predictor


def images():
    """Noise of several sizes, with a black and a white pixel."""
    random = np.random.default_rng(0)
    for size in [(40, 50), (32, 32), (64, 30)]:
        image = random.integers(0, 256, (*size, 3), dtype=np.uint8)
        image[:8, :8], image[-8:, -8:] = 0, 255
        yield image


@pytest.fixture(scope="module")
def int8_file(model_file):
    file = model_file.with_name("model.int8.onnx")
    export_int8(file, model_file, images())
    return file


@pytest.fixture(scope="module")
def graph(int8_file):
    return onnx.load(int8_file, load_external_data=False).graph


def constants(graph):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def makers(graph):
    """The node that makes each value."""
    return {output: node for node in graph.node for output in node.output}


@pytest.mark.parametrize("size", [(48, 64), (100, 37), (500, 333), (3, 5), (1, 1)])
def test_masks_are_nearly_the_segmenters_at_any_size(segmenter, int8_file, size):
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    mask = Predictor(int8_file, threads=1)(image)
    assert (mask.shape, mask.dtype) == (size, np.uint8)
    assert (mask != segmenter(torch.from_numpy(image)).numpy()).mean() <= 0.05


def test_all_but_the_first_convolutions_take_8_bit_integers_with_a_scale_for_each_channel(graph):
    made, values = makers(graph), constants(graph)
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 13  # ten of five pairs, two that double, the head
    for node in convolutions[:IN_FLOAT]:
        assert values[node.input[1]].dtype == np.float32
    for node in convolutions[IN_FLOAT:]:
        data, weight = (made[name] for name in node.input[:2])
        assert data.op_type == weight.op_type == "DequantizeLinear"
        assert values[data.input[2]].dtype == np.uint8
        integers, scale = (values[name] for name in weight.input[:2])
        assert integers.dtype == np.int8
        assert scale.shape == integers.shape[:1]
        # 7 bits: two products of 8 and 8 bits saturate in the 16 of older processors.
        assert np.abs(integers.astype(int)).max() <= 64
    assert "ConvTranspose" not in {node.op_type for node in graph.node}


def test_what_surrounds_the_network_stays_in_float_and_ranges_fit_the_images(graph, model_file):
    made = makers(graph)
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            assert made[node.input[0]].op_type not in ("Resize", "ArgMax", "Cast", "Sub")
    first, last = (node for node in graph.node if node.op_type == "Resize")
    assert made[first.input[0]].op_type == "Cast"
    assert made[last.input[0]].op_type == "DequantizeLinear"
    # The first value in integers follows a ReLU: it reaches from 0 to its largest in the images.
    first = next(node for node in graph.node if node.op_type == "QuantizeLinear")
    scale, zero = (constants(graph)[name] for name in first.input[1:])
    model = onnx.load(model_file)
    model.graph.output.append(onnx.ValueInfoProto(name=first.input[0]))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    largest = max(session.run([first.input[0]], {INPUT: image})[0].max() for image in images())
    assert (scale, zero) == (pytest.approx(largest / 255, rel=0.01), 0)


def test_the_file_is_self_contained_and_describes_itself(int8_file):
    model = onnx.load(int8_file, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said == to_metadata(PETS) | {"precision": "int8"}


@pytest.mark.parametrize(("inputs", "outputs", "height", "width"), [(3, 5, 4, 6), (1, 2, 1, 1)])
def test_a_split_up_convolution_equals_torchs(inputs, outputs, height, width):
    random = np.random.default_rng(0)
    kernel = random.random((inputs, outputs, 2, 2), dtype=np.float32)
    bias = random.random(outputs, np.float32)
    x = random.random((1, inputs, height, width), np.float32)
    tensors = map(torch.from_numpy, (x, kernel, bias))
    expected = torch.nn.functional.conv_transpose2d(*tensors, stride=2).numpy()
    model = onnx.parser.parse_model(f"""
        <ir_version: 10, opset_import: ["": 18]>
        up (float[1, {inputs}, {height}, {width}] x0) => (float{[*expected.shape]} up)
        <float[1, {inputs}, {height}, {width}] x>
        {{
            x = Abs(x0)
            up = ConvTranspose<kernel_shape = [2, 2], strides = [2, 2]>(x, kernel, bias)
        }}""")
    for name, values in {"kernel": kernel, "bias": bias}.items():
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    split_up_convolutions(model)
    assert "ConvTranspose" not in {node.op_type for node in model.graph.node}
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    [result] = session.run(None, {"x0": x})
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
