"""A model whose masks can be foretold: what is bright is pet, what is dark background."""

from pathlib import Path

from onnx import helper
from tiny_onnx import BYTES, FLOATS, axes, save_tiny, scalar


def write_threshold_model(file: Path, threshold: int) -> Path:
    """Pixels whose brightest channel is below the threshold are background (1), others pet (0)."""
    nodes = [
        helper.make_node("ReduceMax", ["photograph", "axes"], ["bytes"], keepdims=0),
        helper.make_node("Cast", ["bytes"], ["brightest"], to=FLOATS),
        helper.make_node("Less", ["brightest", "threshold"], ["dark"]),
        helper.make_node("Cast", ["dark"], ["mask"], to=BYTES),
    ]
    return save_tiny(file, nodes, [axes(2), scalar("threshold", FLOATS, threshold)])
