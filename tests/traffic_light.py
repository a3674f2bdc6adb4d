"""A model whose masks are known by hand: red is pet, green is border, all else is background."""

from pathlib import Path

import numpy as np
from onnx import helper
from tiny_onnx import BYTES, INTEGERS, save_tiny, scalar

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)
PET, BACKGROUND, BORDER = range(3)
COLOURS = np.array([RED, BLUE, GREEN], np.uint8)  # by class


def write_traffic_light(file: Path) -> Path:
    """An ONNX file of the exported one's form: (height, width, 3) uint8 to (height, width) ids."""
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
    return save_tiny(file, nodes, [scalar(name, INTEGERS, values[name]) for name in values])
