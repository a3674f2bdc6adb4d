"""A clone of the project with tiny params, in which end-to-end tests run commands as a user would.

The pipeline of a minute runs once for all of them: each test file works in a copy of its result.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Run
from tiny_pets import REPOSITORY

from pipeline.records.database import readdress

ALL_STAGES = list(yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"])
# Set by the caller for something else; without bytecode every stage would compile our modules.
NOT_THE_CALLERS = ("AWS_", "DVC_", "GIT_", "MLFLOW_", "PG", "PYTHONDONTWRITEBYTECODE")


class Clone:
    """A working copy of the project in a folder of its own, and the variables set for it."""

    def __init__(self, root: Path, **environment: str) -> None:
        self.root = root
        kept = {k: v for k, v in os.environ.items() if not k.startswith(NOT_THE_CALLERS)}
        identity = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "Tester"), ("EMAIL", "tester@localhost"))
        }
        path = f"{root}/.venv/bin:{os.environ['PATH']}"
        self.environment = kept | identity | {"PATH": path} | environment

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

    def commit(self, message: str) -> None:
        self.run(f"git add --all && git commit --quiet --allow-empty --message '{message}'")

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

    def run_queue(self, jobs: int) -> None:
        """Run all that `dvc exp run --queue` has put there; none may fail."""
        waiting = "while dvc queue status | grep -qE 'Running|Queued'; do sleep 1; done"
        self.run(f"dvc queue start --jobs {jobs}; {waiting}")
        assert "Failed" not in self.run("dvc queue status")

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.root}/mlflow.db")

    def runs(self) -> list[Run]:
        """Every run of every experiment."""
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        return self.client.search_runs(experiments)


def page_blocks(page: str) -> dict[str, list[str]]:
    """The code of a page in docs/, by heading."""
    text = (REPOSITORY / "docs" / page).read_text()
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    code = [re.findall(r"```(?:sh|python)\n(.*?)```", part, re.DOTALL) for part in parts]
    return dict(zip(parts[1::2], code[2::2], strict=True))


def stages_run(output: str) -> list[str]:
    """The stages that DVC says it ran, in order."""
    lines = [line for line in output.splitlines() if line.startswith("Running stage '")]
    return [line.split("'")[1] for line in lines]


@dataclass
class Finished:
    """A clone after `make`, its results committed; tests work in copies of it."""

    root: Path
    printed: str  # by `make`

    def copy(self, root: Path) -> Clone:
        """Copy everything, and have the copy's MLflow store look for artifacts in the copy."""
        subprocess.run(["cp", "-a", self.root, root], check=True)
        readdress(f"sqlite:///{root}/mlflow.db", (self.root / "mlartifacts").as_uri())
        return Clone(root)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One for all processes of a test run: the first that asks for it makes it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    root, printed = folder / "finished", folder / "finished.txt"
    with FileLock(folder / "finished.lock"):
        if not printed.exists():
            made = make_clone(root)
            output = made.run("make")
            made.commit("results")
            printed.write_text(output)
    return Finished(root, printed.read_text())


@pytest.fixture(scope="module")
def clone(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The test file's own copy of the finished clone."""
    return finished.copy(tmp_path_factory.mktemp("clone") / "petseg")


def make_clone(root: Path) -> Clone:
    """Commit the files that git tracks or would track in a new repository, with tiny params."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    for name in filter(None, names.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, root / name)
    borrow(Path(sys.prefix), root / ".venv")
    shrink(root)
    made = Clone(root)
    made.run("git init --quiet --initial-branch main")
    made.commit("clone")
    return made


def borrow(source: Path, target: Path) -> None:
    """Make `target` the virtual environment that the tests run in, for `make` an installed one."""
    target.mkdir()
    for entry in source.iterdir():
        if not entry.name.startswith("installed"):
            (target / entry.name).symlink_to(entry)
    for name in ("installed", *(f"installed-for-{extra}" for extra in ("teams", "ray", "docs"))):
        (target / name).touch()


def shrink(root: Path) -> None:
    """Few and small pictures, a small network, a short training."""
    sample, params = root / "datasets/sample.yaml", root / "params.yaml"
    described = yaml.safe_load(sample.read_text())
    described["sources"] |= {"images_per_breed": 4, "width": 96, "height": 72}
    sample.write_text(yaml.safe_dump(described, sort_keys=False))
    values = yaml.safe_load(params.read_text())
    values["model"]["features"] = [4, 8]
    values["train"] |= {"epochs": 1, "batch_size": 16, "image_size": 32, "threads": 1}
    values["evaluate"] |= {"threads": 1}
    values["export"] |= {"threads": 1}
    params.write_text(yaml.safe_dump(values, sort_keys=False))
