"""The segmenter as one self-contained ONNX file: image in, mask out; if asked, how sure it is."""

import logging
import warnings
from pathlib import Path

import onnx
import onnx.parser
import torch
from onnx import ModelProto, TensorProto, helper
from torch.export import Dim

from pipeline.core.files import write_file
from pipeline.deploy.predictor import CONFIDENCE, MASK, WITH_CONFIDENCE
from pipeline.scoring.segmenter import Segmenter

INPUT = "photograph"  # (height, width, 3) uint8 RGB
OPSET = 18  # the first in which Resize can antialias

# The softmax of the largest score, of (1, C, S, S) `scores`, enlarged to the mask, in 8 bits. Where
# the network computes, not at the image's size: that would double the time of a large photograph.
TOLD = """told () => (uint8[height, width] confidence)
<int64[1] one = {1}, int64[2] ones = {1, 1}, int64[2] outer = {0, 1}, float full = {255}> {
    largest = ReduceMax(scores, one)
    below = Sub(scores, largest)
    powers = Exp(below)
    total = ReduceSum(powers, one)
    probability = Div(full, total)
    size = Shape(mask)
    whole = Concat<axis = 0>(ones, size)
    enlarged = Resize<mode = "linear">(probability, , , whole)
    rounded = Round(enlarged)
    bytes = Cast<to = 2>(rounded)
    confidence = Squeeze(bytes, outer)
}"""
UNTOLD = """untold () => (uint8[none, nothing] silence) <uint8[0, 0] silence = {}> {}"""


def export_onnx(file: Path, segmenter: Segmenter, metadata: dict[str, str]) -> None:
    """Write the segmenter with its weights and the metadata, for images of any size.

    The file passes the ONNX checker; equal weights give equal bytes.
    """
    example = torch.zeros(segmenter.size * 3 // 2, segmenter.size * 2, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            segmenter.eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[MASK],
            dynamic_shapes=({0: Dim("height", min=2), 1: Dim("width", min=2)},),
            verbose=False,
        )
    assert program is not None, "the dynamo exporter returns its program"
    write_model(file, program.model_proto, metadata)


def add_confidence(model: ModelProto) -> None:
    """Add an output with the mask's confidence; it is empty unless input WITH_CONFIDENCE is true.

    That input is false by default, so callers may omit it. Without it, the confidence would be
    computed at every call: runtimes do so even where only the mask is fetched.
    """
    graph = model.graph
    enlarging = {node.output[0]: node for node in graph.node if node.op_type == "Resize"}
    chosen = next(node for node in graph.node if node.op_type == "ArgMax").input[0]
    scores = enlarging[chosen].input[0]
    branches = {
        "then_branch": onnx.parser.parse_graph(TOLD.replace("scores", scores)),
        "else_branch": onnx.parser.parse_graph(UNTOLD),
    }
    graph.node.append(
        helper.make_node("If", [WITH_CONFIDENCE], [CONFIDENCE], "confidence", **branches)
    )
    graph.initializer.append(helper.make_tensor(WITH_CONFIDENCE, TensorProto.BOOL, [], [False]))
    graph.input.append(helper.make_tensor_value_info(WITH_CONFIDENCE, TensorProto.BOOL, []))
    shape = ["confidence_height", "confidence_width"]
    graph.output.append(helper.make_tensor_value_info(CONFIDENCE, TensorProto.UINT8, shape))


def remove_confidence(model: ModelProto) -> None:
    """Undo `add_confidence`: the quantiser does not look into the branches of a node."""
    for part in (model.graph.node, model.graph.initializer, model.graph.input, model.graph.output):
        for each in [each for each in part if each.name in (CONFIDENCE, WITH_CONFIDENCE)]:
            part.remove(each)


def write_model(file: Path, model: onnx.ModelProto, metadata: dict[str, str]) -> None:
    """Add the confidence, check the model, and write it: equal models, equal bytes.

    The file has no traces of this machine.
    """
    add_confidence(model)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)
    # The oldest runtime that knows the operators shall read the file.
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)
    # 2.13.0, not 2.13.0+cpu: all builds of one version must write the same bytes.
    model.producer_version = model.producer_version.partition("+")[0]
    for node in model.graph.node:
        # The exporter notes the source file of each node, with this machine's paths.
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    write_file(file, model.SerializeToString(deterministic=True))
