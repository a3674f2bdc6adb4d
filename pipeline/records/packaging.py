"""The exported model in the form of the folder that MLflow serves."""

import shutil
from importlib.metadata import version
from pathlib import Path

import mlflow.onnx
import numpy as np
import onnx
from mlflow.entities import LoggedModel
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from pipeline.core.layout import int8_beside
from pipeline.records.versions import FP32_FILE, INT8_FILE, REFERENCE_FILE, reference_beside

# Shown with the model and sent by `mlflow models serve` to try it: a small grey image.
EXAMPLE = np.full((24, 32, 3), 128, np.uint8)
# Every export: an RGB image of any size to a mask of class ids of the same size.
BYTE = np.dtype(np.uint8)
IMAGE, MASK = TensorSpec(BYTE, (-1, -1, 3)), TensorSpec(BYTE, (-1, -1))
SIGNATURE = ModelSignature(Schema([IMAGE]), Schema([MASK]))


def pack_model(onnx_file: Path, folder: Path, model: LoggedModel) -> None:
    """Write the file itself, byte for byte, with signature, example and requirements.

    The files beside it, if there are any, are copied too; MLflow serves this one.
    """
    packages = ("numpy", "onnx", "onnxruntime")
    mlflow.onnx.save_model(
        onnx.load(onnx_file),
        folder,
        mlflow_model=Model(model.artifact_location, model.source_run_id, model_id=model.model_id),
        signature=SIGNATURE,
        input_example=EXAMPLE,
        # Without them mlflow spends 8 seconds guessing.
        pip_requirements=[f"{package}=={version(package)}" for package in packages],
        onnx_execution_providers=["CPUExecutionProvider"],  # what the scores were measured with
        save_as_external_data=False,
    )
    for name, file in exported_files(onnx_file).items():
        shutil.copyfile(file, folder / name)  # these bytes, and not equivalent ones


def exported_files(onnx_file: Path) -> dict[str, Path]:
    """The files of an export that there are, by their names in a version."""
    beside = {INT8_FILE: int8_beside(onnx_file), REFERENCE_FILE: reference_beside(onnx_file)}
    files = {FP32_FILE: onnx_file, **beside}
    return {name: file for name, file in files.items() if file.is_file()}
