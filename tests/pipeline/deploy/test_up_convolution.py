"""Doubling by ordinary convolutions gives what the transposed one gives."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from pipeline.deploy.up_convolution import split_up_convolutions


def model_of(kernel, bias, stride=2, height=1, width=2):
    """One transposed convolution on (1, inputs, height, width)."""
    size = kernel.shape[-1]
    sides = [stride * (side - 1) + size for side in (height, width)]
    node = helper.make_node(
        "ConvTranspose",
        ["x", "kernel", "bias"],
        ["up"],
        "up_node",
        kernel_shape=[size, size],
        strides=[stride, stride],
    )
    before = helper.make_node("Abs", ["x0"], ["x"], "abs_node")
    inner = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, len(kernel), height, width])
    graph = helper.make_graph(
        [before, node],
        "up",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, [1, len(kernel), height, width])],
        [helper.make_tensor_value_info("up", TensorProto.FLOAT, [1, kernel.shape[1], *sides])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(bias, "bias")],
        value_info=[inner],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10)


def run(model, x):
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x0": x})[0]


def operators(model):
    return [node.op_type for node in model.graph.node]


def test_a_pixel_becomes_a_square_as_by_hand():
    kernel = np.array([[[[1, 2], [3, 4]]]], np.float32)
    model = model_of(kernel, np.array([0.5], np.float32))
    split_up_convolutions(model)
    assert "ConvTranspose" not in operators(model)
    result = run(model, np.array([[[[1, 10]]]], np.float32))
    np.testing.assert_array_equal(result, [[[[1.5, 2.5, 10.5, 20.5], [3.5, 4.5, 30.5, 40.5]]]])


@pytest.mark.parametrize(("inputs", "outputs", "height", "width"), [(3, 5, 4, 6), (1, 2, 1, 1)])
def test_channels_and_sizes_are_as_torch_has_them(inputs, outputs, height, width):
    random = np.random.default_rng(0)
    kernel, bias = (
        random.normal(size=shape).astype(np.float32)
        for shape in ((inputs, outputs, 2, 2), (outputs,))
    )
    x = random.random((1, inputs, height, width), dtype=np.float32)
    model = model_of(kernel, bias, height=height, width=width)
    split_up_convolutions(model)
    expected = torch.nn.functional.conv_transpose2d(
        *map(torch.from_numpy, (x, kernel, bias)), stride=2
    )
    np.testing.assert_allclose(run(model, x), expected.numpy(), rtol=1e-5, atol=1e-6)


def test_one_whose_squares_overlap_is_left_as_it_is():
    model = model_of(np.ones((1, 1, 3, 3), np.float32), np.zeros(1, np.float32))
    split_up_convolutions(model)
    assert operators(model) == ["Abs", "ConvTranspose"]
