"""The train stage as DVC starts it: a process of its own, which can be killed."""

import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from processes import call, running

import stages.train

PLAIN = ("-m", "stages.train")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *PLAIN)
ARGUMENTS = ("data/pairs", "data/splits", "models", "metrics/train.json", "plots")
OUTPUTS = ("models/checkpoint.pth", "models/config.json", "metrics/train.json", "plots/curves.csv")
TIMEOUT = 300  # seconds


def training(
    workspace: Path, start: Sequence[str] = PLAIN, root: Path | None = None
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run the stage in the workspace; kill what still runs when the block ends.

    root: the repository, if the workspace is a copy as DVC makes them for experiments.
    """
    return running(*start, *ARGUMENTS, cwd=workspace, DVC_ROOT=str(root or workspace))


def train(workspace: Path, start: Sequence[str] = PLAIN) -> str:
    """Train to the end, which must be a success; return what was printed."""
    with training(workspace, start) as process:
        return finish(process)


def train_here() -> None:
    """Train in the current folder and process, which saves the start of another."""
    call(stages.train, *ARGUMENTS)


def finish(process: subprocess.Popen[str]) -> str:
    """Wait until a training has succeeded; return what it has printed since."""
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, output
    return output


def read_epochs(process: subprocess.Popen[str], number: int) -> None:
    """Read a training's output until it has finished so many more epochs."""
    while number:
        line = process.stdout.readline()
        assert line, "the training ended before"
        number -= line.startswith("  loss ")


def outputs(workspace: Path) -> dict[str, bytes]:
    """The bytes of what the stage has written."""
    return {name: (workspace / name).read_bytes() for name in OUTPUTS}


def states(workspace: Path) -> list[Path]:
    """What is kept of trainings that have not ended."""
    return sorted(path for path in (workspace / ".cache/training").iterdir() if path.is_dir())


def client(workspace: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{workspace}/mlflow.db")


def runs(workspace: Path) -> list[Run]:
    """The workspace's runs, newest first."""
    store = client(workspace)
    return store.search_runs([e.experiment_id for e in store.search_experiments()])
