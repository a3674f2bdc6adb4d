"""The exported model with its network in 8-bit integers: a quarter of the size, and faster.

Static quantisation (Jacob et al. 2018, arXiv 1712.05877): the range of each value is learned once,
from training images. Resizing, normalising, the first convolutions and everything after the logits
stay in float.
"""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from pipeline.deploy.onnx_export import INPUT, remove_confidence, write_model
from pipeline.deploy.predictor import ERRORS

# ONNX Runtime has integer kernels for these, or needs none; all others stay in float.
QUANTISED = ("Conv", "Concat", "Add", "MaxPool", "Relu", "Clip", "Reshape", "Transpose")
# Convolutions at the start that stay in float: their few channels differ most in range. With all of
# EfficientNet-Lite0's in integers, the model loses four times as much mIoU, and is no faster.
IN_FLOAT = 3
PRECISION = {"precision": "int8"}  # added to the file's metadata


def export_int8(file: Path, model: Path, images: Iterable[NDArray[np.uint8]]) -> None:
    """Write the INT8 form of an exported model, with the model's metadata and its precision.

    images: (H, W, 3) uint8 RGB of any size, to learn the ranges from. The file passes the ONNX
    checker; equal models and images give equal bytes.
    """
    prepared = onnx.load(model)
    metadata = {entry.key: entry.value for entry in prepared.metadata_props} | PRECISION
    remove_confidence(prepared)
    split_up_convolutions(prepared)
    add_pre_process_metadata(prepared)  # the quantiser asks for it; batch norm is folded already
    # The network's nodes: from the first convolution that is not to stay in float to the last.
    nodes = list(prepared.graph.node)
    places = [place for place, node in enumerate(nodes) if node.op_type == "Conv"]
    network = [node.name for node in nodes[places[IN_FLOAT] : places[-1] + 1]]
    feeds = ({INPUT: image} for image in images)
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "prepared.onnx", Path(folder) / "quantised.onnx"
        onnx.save(prepared, source)
        onnxruntime.set_default_logger_severity(ERRORS)
        quantize_static(
            source,
            target,
            SimpleNamespace(get_next=lambda: next(feeds, None)),  # a CalibrationDataReader
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_quantize=network,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # Weights of 7 bits: with 8, processors without VNNI saturate where they add in 16 bits,
            # and their masks differ from the ones that were scored.
            reduce_range=True,
        )
        quantised = onnx.load(target)
    write_model(file, quantised, metadata)


def split_up_convolutions(model: ModelProto) -> None:
    """Replace, in place, each transposed convolution (2x2, stride 2) by nodes with integer kernels.

    The squares that its input pixels are spread over do not overlap: each is a 1x1 convolution to
    four times the channels, whose values then move to their places in the square (the sub-pixel
    convolution of Shi et al. 2016, arXiv 1609.05158).
    """
    graph = model.graph
    shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.value_info}
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.op_type == "ConvTranspose":
            height, width = (dim.dim_value for dim in shapes[node.input[0]][2:])
            nodes += _split(graph, node, height, width)
        else:
            nodes.append(node)
    del graph.node[:], graph.value_info[:]  # some shapes have changed
    graph.node.extend(nodes)


def _split(graph: GraphProto, node: NodeProto, height: int, width: int) -> list[NodeProto]:
    """The nodes that replace one transposed convolution of a (1, C, height, width) input."""
    outputs = _convert_weights(graph, node)
    name, result = node.name, node.output[0]
    # Channels last, as in the integer kernels' memory: a pixel's channels move as one block.
    shapes = {
        f"{name}.apart": [1, height, width, 2, 2 * outputs],
        f"{name}.doubled": [1, 2 * height, 2 * width, outputs],
    }
    apart, doubled = shapes
    for constant, shape in shapes.items():
        graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), constant))
    steps: list[tuple[str, list[str], dict[str, Any]]] = [
        ("Conv", list(node.input[1:]), {"kernel_shape": [1, 1]}),  # (1, 4 outputs, H, W)
        ("Transpose", [], {"perm": [0, 2, 3, 1]}),  # (1, H, W, 4 outputs)
        ("Reshape", [apart], {}),  # (1, H, W, 2 rows, 2 columns x outputs)
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
    """Turn the (inputs, outputs, 2, 2) kernel into (4 outputs, inputs, 1, 1); return `outputs`.

    The 4 outputs are ordered by the square's rows, then columns, then channels.
    """
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    weight, bias = (tensors[name] for name in node.input[1:])
    kernel = numpy_helper.to_array(weight)
    inputs, outputs, *square = kernel.shape
    assert square == [2, 2], "the decoder doubles with squares that do not overlap"
    flat = np.ascontiguousarray(kernel.transpose(2, 3, 1, 0)).reshape(4 * outputs, inputs, 1, 1)
    weight.CopyFrom(numpy_helper.from_array(flat, weight.name))
    bias.CopyFrom(numpy_helper.from_array(np.tile(numpy_helper.to_array(bias), 4), bias.name))
    return outputs
