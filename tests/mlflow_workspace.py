"""An empty folder that the records take for the repository, for tests that log and register."""

import atexit
import functools
import json
import os
import shutil
import subprocess
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
    (folder / "data/pairs").mkdir(parents=True)
    (folder / "data/pairs/index.csv").write_text("name\nAbyssinian_1\n")
    return folder


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an empty store, and data/pairs/index.csv in it."""
    return make_workspace(tmp_path, monkeypatch)


def leave_unsent(workspace: Path, uri: str, run_id: str, *entries: dict, end: str = "\n") -> Path:
    """Write the file that a command leaves whose server died."""
    file = workspace / "mlartifacts/unsent" / f"{run_id}-1.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(line) for line in ({"store": uri, "run": run_id}, *entries)]
    file.write_text("\n".join(lines) + end)
    return file


def register(model: Path, scores: dict | None = None, alias: str = "") -> int:
    """Register the exported file under a run of its own; return the version's number."""
    from pipeline.records.registry import model_name, register_model
    from pipeline.records.runs import checkpoint_run

    with checkpoint_run(f"the checkpoint of {model}", Path("data/pairs")) as run:
        number = register_model(run, model, scores or {})
    if alias:
        run.store.client.set_registered_model_alias(model_name(), alias, str(number))
    return number


def commit(folder: Path) -> None:
    """Commit all files of the folder, which becomes a repository unless it is one."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", ".")
    git(folder, "commit", "--quiet", "--message", "a commit")


def git(folder: Path, *arguments: str) -> str:
    """The output of a git command that can commit."""
    command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *arguments]
    return subprocess.check_output(command, cwd=folder, text=True).strip()


@functools.cache
def _empty_database() -> Path:
    """Made once for each test process: it takes seconds."""
    folder = tempfile.TemporaryDirectory(prefix="petseg-test-")
    atexit.register(folder.cleanup)
    file = Path(folder.name) / "mlflow.db"
    MlflowClient(f"sqlite:///{file}")
    return file
