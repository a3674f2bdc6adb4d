"""The segmenter as one self-contained ONNX file: image in, mask out."""

import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch.export import Dim

from pipeline.core.files import atomic_file
from pipeline.scoring.segmenter import Segmenter

INPUT = "photograph"  # (height, width, 3) uint8 RGB
OPSET = 18  # the first in which Resize can antialias


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
            output_names=["mask"],  # (height, width) uint8 class ids
            dynamic_shapes=({0: Dim("height", min=2), 1: Dim("width", min=2)},),
            verbose=False,
        )
    assert program is not None, "the dynamo exporter returns its program"
    write_model(file, program.model_proto, metadata)


def write_model(file: Path, model: onnx.ModelProto, metadata: dict[str, str]) -> None:
    """Check the model and write it without traces of this machine: equal models, equal bytes."""
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
    with atomic_file(file) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
