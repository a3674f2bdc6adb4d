"""What the end-to-end tests do in a clone: run commands as a user would, and look at the store."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run


class Clone:
    """A working copy of the project in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_", "GIT_"))
        }
        identity = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "Tester"), ("EMAIL", "tester@localhost"))
        }
        path = f"{root}/.venv/bin:{os.environ['PATH']}"
        self.environment = kept | identity | {"PATH": path}

    def run(self, command: str, **environment: str) -> str:
        """Run a shell command in the clone; return what it printed. It must succeed."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.root,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    @contextmanager
    def running(self, command: str) -> Iterator[None]:
        """Keep a command running during the block, then end it and what it started."""
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=self.root, env=self.environment, start_new_session=True
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)

    def stages_run(self, output: str) -> list[str]:
        """The stages that DVC says it ran, in order."""
        lines = [line for line in output.splitlines() if line.startswith("Running stage '")]
        return [line.split("'")[1] for line in lines]

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.root}/mlflow.db")

    def runs(self) -> list[Run]:
        """Every run of every experiment."""
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        return self.client.search_runs(experiments)

    def experiment_of(self, run: Run) -> str:
        """The name of the MLflow experiment that the run is in."""
        return self.client.get_experiment(run.info.experiment_id).name
