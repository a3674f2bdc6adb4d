"""ONNX files of the exported one's form, for tests that know the masks of their models by hand."""

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import NodeProto, TensorProto, helper

BYTES, INTEGERS, FLOATS = TensorProto.UINT8, TensorProto.INT32, TensorProto.FLOAT


def scalar(name: str, kind: int, value: float) -> TensorProto:
    return helper.make_tensor(name, kind, [], [value])


def axes(*numbers: int) -> TensorProto:
    return helper.make_tensor("axes", TensorProto.INT64, [len(numbers)], numbers)


def save_tiny(file: Path, nodes: Sequence[NodeProto], constants: Sequence[TensorProto]) -> Path:
    """Write a graph from `photograph`, (height, width, 3) uint8, to `mask`, (height, width)."""
    photograph = helper.make_tensor_value_info("photograph", BYTES, ["height", "width", 3])
    mask = helper.make_tensor_value_info("mask", BYTES, ["height", "width"])
    graph = helper.make_graph(nodes, "tiny", [photograph], [mask], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, file)
    return file
