"""Run a sweep's jobs on this machine: each in a copy of the workspace, by a DVC process of its own.

DVC's queue would not do: it reports a task as running after its worker was killed, and its workers
may exit before the queue is empty. The DVC process holds the lock of its job, and one of the slots.
Slots are files, one for each training that has room; all sweeps of this repository share them.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil

from pipeline.core.git import git_identity
from pipeline.core.layout import workspace_root
from pipeline.core.terminal import UserError
from pipeline.records.lineage import copies_refused
from tools.sweeps.jobs import PATIENCE, Job, try_lock


class Here:
    """An `Engine`: this machine. Its slots are files in the folder."""

    def __init__(self, slots: int, folder: Path) -> None:
        if refusal := copies_refused(workspace_root()):
            raise UserError(refusal)
        self.slots = [folder / f"slot-{number}" for number in range(slots)]
        self.running: list[tuple[Job, psutil.Popen]] = []

    @contextmanager
    def place(self) -> Iterator[Callable[[Job], bool] | None]:
        with ExitStack() as stack:
            for file in self.slots:
                if slot := stack.enter_context(try_lock(file)):
                    yield partial(self.start, slot=slot.fileno())
                    return
            yield None

    def start(self, job: Job, slot: int) -> bool:
        """Start the job unless it is done or running; `slot` is the descriptor of a held file."""
        with job.claim() as lock:
            if lock:
                self.running.append((job, start_dvc(job, lock.fileno(), slot)))
                job.begin()
            return bool(lock)

    def poll(self) -> None:
        for entry in list(self.running):
            job, process = entry
            if (status := process.poll()) is not None:
                job.end(failed=status != 0)
                self.running.remove(entry)

    def stop(self) -> None:
        left: list[psutil.Process] = [process for _, process in self.running]
        for number in (signal.SIGINT, signal.SIGKILL):
            for process in left:
                with suppress(ProcessLookupError):  # it has just ended
                    os.killpg(process.pid, number)
            _, left = psutil.wait_procs(left, PATIENCE)


def start_dvc(job: Job, *locks: int) -> psutil.Popen:
    """Start DVC's process, which holds the locks as long as it lives."""
    command = [sys.executable, "-m", "tools.sweeps.local", f"refs/sweep/{job.experiment.name}"]
    with job.log.open("wb") as log:
        return psutil.Popen(
            [*command, "--wait-for-lock", "exp", "run", "--temp", *job.options],
            env={**git_identity(), **os.environ, **job.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=locks,
            start_new_session=True,  # so that all it starts can be interrupted with it
        )


def run_dvc(reference: str, arguments: list[str]) -> int:
    """Run a DVC command that keeps its pending experiments under a git reference of its own.

    All `dvc exp run --temp` share one stash (dvc 3.67.1: TempDirQueue, WorkspaceQueue.reproduce):
    each puts its experiment there, takes it out, runs it, then runs whatever else is there. Another
    that has just ended can take an experiment between the first two steps, some 30 ms. In a trial
    that delayed the second step, one process ran both experiments, the other exited with status 0
    having run none. Undelayed, four at a time, 60 of 60 ran where they should.
    """
    from dvc.cli import main
    from dvc.repo import experiments

    # A shell starts background processes with SIGINT ignored, and their children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert hasattr(experiments, "WORKSPACE_STASH")
    experiments.WORKSPACE_STASH = reference
    # An experiment that a killed process left there would run as well.
    subprocess.run(["git", "update-ref", "-d", reference], check=True)
    return main(arguments)


if __name__ == "__main__":
    sys.exit(run_dvc(sys.argv[1], sys.argv[2:]))
