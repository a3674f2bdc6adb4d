"""The exported model in the form of the folder that MLflow serves."""

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.onnx
import numpy as np
import onnx
from mlflow.entities import LoggedModel
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from pipeline.core.layout import int8_beside
from pipeline.records.versions import FP32_FILE, INT8_FILE

# Shown with the model and sent by `mlflow models serve` to try it: a small grey image.
EXAMPLE = np.full((24, 32, 3), 128, np.uint8)


def pack_model(onnx_file: Path, folder: Path, model: LoggedModel) -> None:
    """Write the file itself, byte for byte, with signature, example and requirements.

    The INT8 file beside it, if there is one, is copied too; MLflow serves the other.
    """
    proto = onnx.load(onnx_file)
    inputs, outputs = (
        Schema(list(map(_tensor_spec, ends))) for ends in (proto.graph.input, proto.graph.output)
    )
    packages = ("numpy", "onnx", "onnxruntime")
    mlflow.onnx.save_model(
        proto,
        folder,
        mlflow_model=Model(model.artifact_location, model.source_run_id, model_id=model.model_id),
        signature=ModelSignature(inputs, outputs),
        input_example=EXAMPLE,
        # Without them mlflow spends 8 seconds guessing.
        pip_requirements=[f"{package}=={version(package)}" for package in packages],
        onnx_execution_providers=["CPUExecutionProvider"],  # what the scores were measured with
        save_as_external_data=False,
    )
    shutil.copyfile(onnx_file, folder / FP32_FILE)  # these bytes, and not equivalent ones
    if int8_beside(onnx_file).is_file():
        shutil.copyfile(int8_beside(onnx_file), folder / INT8_FILE)


def _tensor_spec(value: Any) -> TensorSpec:
    """Type and shape of an ONNX graph's input or output; -1 where it takes any size."""
    tensor = value.type.tensor_type
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim)
    return TensorSpec(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type), shape)
