"""Models in the exported one's form whose masks are known by hand, and a network of no training."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
from tiny_pets import PETS

from pipeline.data.classes import Classes, to_metadata

if TYPE_CHECKING:
    from pipeline.model.unet import ModelParams, UNet
    from pipeline.scoring.segmenter import Segmenter

IMAGE = "uint8[height, width, 3] photograph"
GIVEN, SURE = "uint8[height, width] mask", "uint8[height, width] confidence"
CHANNELS = "int64[1] channels = {2}"  # the axis
RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)
PET, BACKGROUND, BORDER = range(3)
COLOURS = np.array([RED, BLUE, GREEN], np.uint8)  # by class of the traffic light
MASK = np.array([[PET, BACKGROUND, BORDER], [PET, PET, BACKGROUND]])  # of COLOURS[MASK]


def write_traffic_light(file: Path, classes: Classes = PETS) -> Path:
    """Write a model to which red is pet, green is border, and all else background."""
    # The classes are numbers, too: pet is zero, background one, border two.
    constants = "int32 zero = {0}, int32 one = {1}, int32 two = {2}, int32 half = {128}"
    nodes = """
        numbers = Cast<to = 6>(photograph)
        red = Gather<axis = 2>(numbers, zero)
        green = Gather<axis = 2>(numbers, one)
        is_red = Greater(red, half)
        is_green = Greater(green, half)
        rest = Where(is_green, two, one)
        ids = Where(is_red, zero, rest)
        mask = Cast<to = 2>(ids)"""
    return write_model(file, constants, nodes, classes=classes)


def write_threshold_model(file: Path, threshold: int) -> Path:
    """Write a model to which pixels are background below the threshold, and pet from there on.

    It compares the brightest of the three channels.
    """
    nodes = """
        bytes = ReduceMax<keepdims = 0>(photograph, channels)
        brightest = Cast<to = 1>(bytes)
        dark = Less(brightest, threshold)
        mask = Cast<to = 2>(dark)"""
    return write_model(file, f"{CHANNELS}, float threshold = {{{threshold}}}", nodes)


def write_onnx(file: Path, weight: int = 0, classes: Classes = PETS) -> Path:
    """Write a model that answers with the brightest channel, but nowhere with less than `weight`.

    Another weight gives other bytes.
    """
    nodes = """
        brightest = ReduceMax<keepdims = 0>(photograph, channels)
        mask = Max(brightest, weight)"""
    return write_model(file, f"{CHANNELS}, uint8 weight = {{{weight}}}", nodes, classes=classes)


def write_sure_model(file: Path) -> Path:
    """Write a model to which all is background, and that is as sure as the red channel says."""
    inputs = f"{IMAGE}, bool with_confidence"
    constants = "uint8 one = {1}, uint8 none = {0}, int32 red = {0}, bool with_confidence = {0}"
    nodes = """
        level = Gather<axis = 2>(photograph, red)
        nothing = Mul(level, none)
        mask = Max(nothing, one)
        confidence = Mul(level, one)"""
    return write_model(file, constants, nodes, inputs, gives=f"{GIVEN}, {SURE}")


def write_model(
    file: Path,
    constants: str,
    nodes: str,
    takes: str = IMAGE,
    classes: Classes = PETS,
    gives: str = GIVEN,
) -> Path:
    """Write a model in ONNX's text syntax, by default from `photograph` to a `mask` of pets."""
    graph = f"tiny ({takes}) => ({gives}) <{constants}> {{{nodes}}}"
    head = '<ir_version: 10, opset_import: ["": 18, "ours": 1]>'
    file.parent.mkdir(parents=True, exist_ok=True)
    model = onnx.parser.parse_model(head + graph)
    onnx.helper.set_model_props(model, to_metadata(classes))
    onnx.save(model, file)
    return file


def random_network(params: "ModelParams", size: int) -> "UNet":
    """An untrained network that still predicts each class somewhere; always the same one.

    It is in evaluation mode, for images of `size` pixels a side. A new network would predict one
    class all over: batch norm gets the statistics of noise, the head biases with which none wins.
    """
    import torch

    from pipeline.model.unet import UNet

    torch.manual_seed(0)
    network = UNet(params, len(PETS))
    torch.manual_seed(0)
    noise = torch.randn(8, 3, size, size)
    with torch.no_grad():
        network.train()(noise)
        network.head.bias -= network.eval()(noise).mean(dim=(0, 2, 3))
    return network


def save_random_model(folder: Path, params: "ModelParams | None" = None) -> "Segmenter":
    """Save an untrained model that predicts each class somewhere, as the train stage saves one."""
    from pipeline.data.settings import Normalisation
    from pipeline.model.checkpoint import copy_weights, save_checkpoint
    from pipeline.model.settings import ModelConfig, ModelParams
    from pipeline.scoring.segmenter import Segmenter

    config = ModelConfig(params or ModelParams(features=(4, 8)), PETS, 32, Normalisation())
    network = random_network(config.model, 32)
    save_checkpoint(folder, copy_weights(network), config)
    return Segmenter(network, config)
