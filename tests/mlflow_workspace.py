"""An empty folder that the records take for the repository, for tests that log and register."""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from mlflow import MlflowClient


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


@functools.cache
def _empty_database() -> Path:
    """Made once for each test process: it takes seconds."""
    folder = tempfile.TemporaryDirectory(prefix="petseg-test-")
    atexit.register(folder.cleanup)
    file = Path(folder.name) / "mlflow.db"
    MlflowClient(f"sqlite:///{file}")
    return file
