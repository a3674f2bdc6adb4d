"""What a node of a cluster does with an experiment: sent there, so it imports nothing of ours.

The node needs the project's packages, and its own access to DVC's remote and the MLflow server.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TRIES, PAUSE = 10, 30  # of what goes out at the end, and seconds between two
PATIENCE = 20  # seconds that an interrupted training gets to close its run; the driver waits 30
LOG_BYTES = 65_536  # of the output's end


@dataclass(frozen=True)
class Source:
    """The code: a bundle of HEAD's history, and the patch that makes it the sweep's workspace."""

    bundle: bytes
    commit: str
    patch: bytes
    folder: str  # of the project in its repository


@dataclass(frozen=True)
class Outcome:
    """DVC's exit status, the end of its output, and the finished experiment as a git bundle."""

    status: int
    log: bytes
    bundle: bytes = b""


def run_experiment(
    source: Source, name: str, options: Sequence[str], environment: Mapping[str, str]
) -> Outcome:
    """Run an experiment in a clone of its own; push its outputs if DVC has a remote.

    options: those of `dvc exp run`. environment: variables to set beside the node's own.
    """
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": programs, **environment}
    with tempfile.TemporaryDirectory(prefix="petseg-") as folder:
        root, log = Path(folder, "clone"), Path(folder, "log")
        unpack(source, root, variables)
        workspace = root / source.folder
        remote = output(workspace, variables, "dvc", "remote", "list").strip()
        commands = [["dvc", "exp", "run", *options]]
        if remote:
            # DVC looks into the folders of all plots when it saves an experiment. It pulls only the
            # data that the stages to be run read.
            plots = ["dvc", "pull", "--allow-missing", "evaluate"]
            pull = ["--pull", "--allow-missing"]
            commands = [plots, [*commands[0], *pull]]
        for command in commands:
            if status := run(workspace, variables, command, log):
                break
        # The clone is about to go, with what no server has taken yet.
        if any((workspace / "mlartifacts/unsent").glob("*.jsonl")):
            persist(workspace, variables, [sys.executable, "-m", "tools.sync"], log)
        if remote and not status:
            status = persist(workspace, variables, ["dvc", "push"], log)
        if status:
            return Outcome(status, log.read_bytes()[-LOG_BYTES:])
        names = output(workspace, variables, "git", "for-each-ref", "--format=%(refname)")
        (reference,) = [each for each in names.decode().split() if each.endswith(f"/{name}")]
        create = ("git", "bundle", "create", "-", reference, f"^{source.commit}")
        bundle = output(workspace, variables, *create)
        return Outcome(0, log.read_bytes()[-LOG_BYTES:], bundle)


def unpack(source: Source, root: Path, variables: Mapping[str, str]) -> None:
    """Clone the bundle's commit to `root`, and apply the patch."""
    bundle, patch = root.with_name("bundle"), root.with_name("patch")
    bundle.write_bytes(source.bundle)
    patch.write_bytes(source.patch)
    output(root.parent, variables, "git", "clone", "--quiet", "--no-checkout", bundle, root)
    output(root, variables, "git", "checkout", "--quiet", "--detach", source.commit)
    if source.patch:
        output(root, variables, "git", "apply", patch)


def output(workspace: Path, variables: Mapping[str, str], *command: str | Path) -> bytes:
    done = subprocess.run(command, cwd=workspace, env=variables, check=True, capture_output=True)
    return done.stdout


def persist(
    workspace: Path, variables: Mapping[str, str], command: Sequence[str], log: Path
) -> int:
    """As `run`, and again while it fails: a server may be away for a while."""
    for _ in range(TRIES - 1):
        if not run(workspace, variables, command, log):
            return 0
        time.sleep(PAUSE)
    return run(workspace, variables, command, log)


def run(workspace: Path, variables: Mapping[str, str], command: Sequence[str], log: Path) -> int:
    """Run a command to its end, with all it starts: interrupted if this process is."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            cwd=workspace,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
