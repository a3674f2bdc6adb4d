"""An empty folder that the records take for the repository, for tests that log and register."""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

import onnx
import pytest
from mlflow import MlflowClient
from onnx import TensorProto, helper


def make_workspace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to the folder, with a database of our own in it and nothing of the caller's set-up."""
    for name in [*os.environ]:
        if name.startswith(("MLFLOW_", "DVC_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.chdir(folder)
    shutil.copy(_empty_database(), folder / "mlflow.db")
    (folder / "data/pets").mkdir(parents=True)
    (folder / "data/pets/index.csv").write_text("name\nAbyssinian_1\n")
    return folder


def write_onnx(file: Path, weight: int = 0) -> Path:
    """A model of the exported one's form: (height, width, 3) uint8 in, (height, width) out.

    It answers with the brightest channel, where that is above the weight.
    """
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["height", "width", 3])
    mask = helper.make_tensor_value_info("mask", TensorProto.UINT8, ["height", "width"])
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [1], [2]),
        helper.make_tensor("weight", TensorProto.UINT8, [], [weight]),
    ]
    nodes = [
        helper.make_node("ReduceMax", ["image", "axes"], ["brightest"], keepdims=0),
        helper.make_node("Max", ["brightest", "weight"], ["mask"]),
    ]
    graph = helper.make_graph(nodes, "brightest", [image], [mask], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, file)
    return file


@functools.cache
def _empty_database() -> Path:
    """Made once for each test process: it takes seconds."""
    folder = tempfile.TemporaryDirectory(prefix="petseg-test-")
    atexit.register(folder.cleanup)
    file = Path(folder.name) / "mlflow.db"
    MlflowClient(f"sqlite:///{file}")
    return file
