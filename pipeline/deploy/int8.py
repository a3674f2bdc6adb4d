"""The exported model with its network in 8-bit integers: a quarter of the size, and faster.

Static quantisation (Jacob et al. 2018, arXiv 1712.05877): the range of each value is learned once,
from training pictures. Resizing, normalising, and what follows the logits stay in float.
"""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from pipeline.deploy.onnx_graph import INPUT, write_model
from pipeline.deploy.up_convolution import split_up_convolutions

# For these ONNX Runtime has integer kernels, or needs none; others stay in float.
QUANTISED = ("Conv", "Concat", "Add", "MaxPool", "Relu", "Clip", "Reshape", "Transpose")
PRECISION = {"precision": "int8"}  # said in the file


class Calibration:
    """Photographs in the form in which the quantiser asks for them."""

    def __init__(self, photographs: Iterable[NDArray[np.uint8]]) -> None:
        self._photographs = iter(photographs)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        photograph = next(self._photographs, None)
        return None if photograph is None else {INPUT: photograph}


def export_int8(file: Path, model: Path, photographs: Iterable[NDArray[np.uint8]]) -> None:
    """Write the INT8 form of an exported model, with the model's metadata and its precision.

    photographs: (H, W, 3) uint8 RGB of any size, to learn the ranges from. The file passes the ONNX
    checker; equal models and photographs give equal bytes.
    """
    prepared = onnx.load(model)
    metadata = {entry.key: entry.value for entry in prepared.metadata_props} | PRECISION
    split_up_convolutions(prepared)
    add_pre_process_metadata(prepared)  # or it asks for that: the batch norm is folded already
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "prepared.onnx", Path(folder) / "quantised.onnx"
        onnx.save(prepared, source)
        quantize_static(
            source,
            target,
            Calibration(photographs),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_quantize=_network(prepared),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # Weights of 7 bits: with 8, processors without VNNI saturate where they add in 16 bits,
            # and give other masks than the ones that were scored.
            reduce_range=True,
        )
        quantised = onnx.load(target)
    write_model(file, quantised, metadata)


def _network(model: onnx.ModelProto) -> list[str]:
    """The names of the network's nodes: they go from the first convolution to the last."""
    nodes = list(model.graph.node)
    places = [place for place, node in enumerate(nodes) if node.op_type == "Conv"]
    return [node.name for node in nodes[places[0] : places[-1] + 1]]
