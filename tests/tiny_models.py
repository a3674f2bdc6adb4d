"""Models in the exported one's form whose masks are known by hand, and a network of no training."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper

if TYPE_CHECKING:
    from pipeline.model.unet import ModelParams, UNet

BYTES, INTEGERS, FLOATS = TensorProto.UINT8, TensorProto.INT32, TensorProto.FLOAT
RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)
PET, BACKGROUND, BORDER = range(3)
COLOURS = np.array([RED, BLUE, GREEN], np.uint8)  # by class of the traffic light


def write_traffic_light(file: Path) -> Path:
    """Write a model to which red is pet, green is border, and all else background."""
    values = {"zero": 0, "one": 1, "half": 128}
    values |= {"pet": PET, "background": BACKGROUND, "border": BORDER}
    nodes = [
        helper.make_node("Cast", ["photograph"], ["numbers"], to=INTEGERS),
        helper.make_node("Gather", ["numbers", "zero"], ["red"], axis=2),
        helper.make_node("Gather", ["numbers", "one"], ["green"], axis=2),
        helper.make_node("Greater", ["red", "half"], ["is_red"]),
        helper.make_node("Greater", ["green", "half"], ["is_green"]),
        helper.make_node("Where", ["is_green", "border", "background"], ["rest"]),
        helper.make_node("Where", ["is_red", "pet", "rest"], ["ids"]),
        helper.make_node("Cast", ["ids"], ["mask"], to=BYTES),
    ]
    return _save(file, nodes, [_scalar(name, INTEGERS, values[name]) for name in values])


def write_threshold_model(file: Path, threshold: int) -> Path:
    """Write a model to which pixels are background below the threshold, and pet from there on.

    It compares the brightest of the three channels.
    """
    nodes = [
        helper.make_node("ReduceMax", ["photograph", "axes"], ["bytes"], keepdims=0),
        helper.make_node("Cast", ["bytes"], ["brightest"], to=FLOATS),
        helper.make_node("Less", ["brightest", "threshold"], ["dark"]),
        helper.make_node("Cast", ["dark"], ["mask"], to=BYTES),
    ]
    return _save(file, nodes, [_CHANNELS, _scalar("threshold", FLOATS, threshold)])


def write_onnx(file: Path, weight: int = 0) -> Path:
    """Write a model that answers with the brightest channel, but nowhere with less than `weight`.

    Another weight gives other bytes.
    """
    nodes = [
        helper.make_node("ReduceMax", ["photograph", "axes"], ["brightest"], keepdims=0),
        helper.make_node("Max", ["brightest", "weight"], ["mask"]),
    ]
    return _save(file, nodes, [_CHANNELS, _scalar("weight", BYTES, weight)])


def _scalar(name: str, kind: int, value: float) -> TensorProto:
    return helper.make_tensor(name, kind, [], [value])


_CHANNELS = helper.make_tensor("axes", TensorProto.INT64, [1], [2])


def _save(file: Path, nodes: Sequence[NodeProto], constants: Sequence[TensorProto]) -> Path:
    """Write a graph from `photograph`, (height, width, 3) uint8, to `mask`, (height, width)."""
    photograph = helper.make_tensor_value_info("photograph", BYTES, ["height", "width", 3])
    mask = helper.make_tensor_value_info("mask", BYTES, ["height", "width"])
    graph = helper.make_graph(nodes, "tiny", [photograph], [mask], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, file)
    return file


def random_network(params: "ModelParams", size: int) -> "UNet":
    """An untrained network that still predicts each class somewhere; always the same one.

    It is in evaluation mode, for images of `size` pixels a side.
    """
    import torch

    from pipeline.model.unet import UNet

    torch.manual_seed(0)
    return spread_classes(UNet(params), size)


def spread_classes(network: "UNet", size: int) -> "UNet":
    """Give batch norm the statistics of noise, and the head biases with which no class wins.

    A new network would predict one class all over.
    """
    import torch

    torch.manual_seed(0)
    noise = torch.randn(8, 3, size, size)
    with torch.no_grad():
        network.train()(noise)
        network.head.bias -= network.eval()(noise).mean(dim=(0, 2, 3))
    return network
