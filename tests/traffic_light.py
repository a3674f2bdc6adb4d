"""A model whose masks are known by hand: red is pet, green is border, all else is background."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)
PET, BACKGROUND, BORDER = range(3)
COLOURS = np.array([RED, BLUE, GREEN], np.uint8)  # by class


def write_traffic_light(file: Path) -> Path:
    """An ONNX file of the exported one's form: (height, width, 3) uint8 to (height, width) ids."""
    values = {"zero": 0, "one": 1, "pet": PET, "background": BACKGROUND, "border": BORDER}
    constants = [helper.make_tensor(name, TensorProto.INT32, [], [values[name]]) for name in values]
    constants.append(helper.make_tensor("half", TensorProto.INT32, [], [128]))
    nodes = [
        helper.make_node("Cast", ["photograph"], ["numbers"], to=TensorProto.INT32),
        helper.make_node("Gather", ["numbers", "zero"], ["red"], axis=2),
        helper.make_node("Gather", ["numbers", "one"], ["green"], axis=2),
        helper.make_node("Greater", ["red", "half"], ["is_red"]),
        helper.make_node("Greater", ["green", "half"], ["is_green"]),
        helper.make_node("Where", ["is_green", "border", "background"], ["rest"]),
        helper.make_node("Where", ["is_red", "pet", "rest"], ["ids"]),
        helper.make_node("Cast", ["ids"], ["mask"], to=TensorProto.UINT8),
    ]
    image = helper.make_tensor_value_info("photograph", TensorProto.UINT8, ["height", "width", 3])
    mask = helper.make_tensor_value_info("mask", TensorProto.UINT8, ["height", "width"])
    graph = helper.make_graph(nodes, "traffic_light", [image], [mask], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, file)
    return file
