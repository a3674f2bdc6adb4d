from pathlib import Path

import pytest
from mlflow_workspace import make_workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an empty store, and data/pets/index.csv in it."""
    return make_workspace(tmp_path, monkeypatch)
