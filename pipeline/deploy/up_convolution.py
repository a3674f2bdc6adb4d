"""Transposed convolutions as ordinary ones, for which ONNX Runtime calculates with integers.

With a 2x2 kernel and stride 2 the squares that input pixels are spread over do not overlap: each is
a 1x1 convolution to four times the channels, whose values then take their places in the square
(the sub-pixel convolution of Shi et al. 2016, arXiv 1609.05158).
"""

from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper


def split_up_convolutions(model: ModelProto) -> None:
    """Replace, in place, each 2x2 transposed convolution of stride 2; the result is the same."""
    graph = model.graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in graph.value_info
    }
    nodes: list[NodeProto] = []
    for node in graph.node:
        if _doubles(node):
            nodes += _split(graph, node, *shapes[node.input[0]][2:])
        else:
            nodes.append(node)
    del graph.node[:], graph.value_info[:]  # of the shapes some are others now
    graph.node.extend(nodes)


def _doubles(node: NodeProto) -> bool:
    attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    return (
        node.op_type == "ConvTranspose"
        and attributes["kernel_shape"] == attributes["strides"] == [2, 2]
        and attributes.get("group", 1) == 1
    )


def _split(graph: GraphProto, node: NodeProto, height: int, width: int) -> list[NodeProto]:
    """The nodes instead of one on an input (1, C, height, width)."""
    outputs = _convert_weights(graph, node)
    name, result = node.name, node.output[0]
    # The pixels outermost, as the integer kernels have them: a row of channels moves as a whole.
    apart = _constant(graph, f"{name}.apart", [1, height, width, 2, 2 * outputs])
    doubled = _constant(graph, f"{name}.doubled", [1, 2 * height, 2 * width, outputs])
    steps: list[tuple[str, list[str], dict[str, Any]]] = [
        ("Conv", list(node.input[1:]), {"kernel_shape": [1, 1]}),  # (1, 4 outputs, H, W)
        ("Transpose", [], {"perm": [0, 2, 3, 1]}),  # (1, H, W, 4 outputs)
        ("Reshape", [apart], {}),  # (1, H, W, 2, 2 outputs): of the square the rows
        ("Transpose", [], {"perm": [0, 1, 3, 2, 4]}),  # (1, H, 2, W, 2 outputs)
        ("Reshape", [doubled], {}),  # (1, 2H, 2W, outputs)
        ("Transpose", [], {"perm": [0, 3, 1, 2]}),  # (1, outputs, 2H, 2W)
    ]
    values = [node.input[0], *(f"{result}.{step}" for step in range(1, len(steps))), result]
    return [
        helper.make_node(kind, [values[step], *inputs], [values[step + 1]], f"{name}.{step}", **how)
        for step, (kind, inputs, how) in enumerate(steps)
    ]


def _convert_weights(graph: GraphProto, node: NodeProto) -> int:
    """Make (inputs, outputs, 2, 2) into (4 outputs, inputs, 1, 1), by rows, columns, outputs."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    weight, bias = (tensors[name] for name in node.input[1:])
    kernel = numpy_helper.to_array(weight)
    inputs, outputs = kernel.shape[:2]
    flat = np.ascontiguousarray(kernel.transpose(2, 3, 1, 0)).reshape(4 * outputs, inputs, 1, 1)
    weight.CopyFrom(numpy_helper.from_array(flat, weight.name))
    bias.CopyFrom(numpy_helper.from_array(np.tile(numpy_helper.to_array(bias), 4), bias.name))
    return outputs


def _constant(graph: GraphProto, name: str, shape: list[int]) -> str:
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), name))
    return name
