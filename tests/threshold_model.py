"""A model whose masks can be foretold: what is bright is pet, what is dark background."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper


def write_threshold_model(file: Path, threshold: int) -> Path:
    """Pixels whose brightest channel is below the threshold are background (1), others pet (0)."""
    photograph = helper.make_tensor_value_info("photograph", TensorProto.UINT8, ["h", "w", 3])
    mask = helper.make_tensor_value_info("mask", TensorProto.UINT8, ["h", "w"])
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [1], [2]),
        helper.make_tensor("threshold", TensorProto.FLOAT, [], [threshold]),
    ]
    nodes = [
        helper.make_node("ReduceMax", ["photograph", "axes"], ["bytes"], keepdims=0),
        helper.make_node("Cast", ["bytes"], ["brightest"], to=TensorProto.FLOAT),
        helper.make_node("Less", ["brightest", "threshold"], ["dark"]),
        helper.make_node("Cast", ["dark"], ["mask"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(nodes, "threshold", [photograph], [mask], constants)
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), file)
    return file
