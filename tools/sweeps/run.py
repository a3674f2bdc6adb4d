"""Run experiments, a few at a time: each in a copy of the workspace, by a DVC process of its own.

DVC's queue would not do: it reports a task as running after its worker was killed, and its workers
may exit before the queue is empty. The only state here is DVC's experiments and one lock file per
experiment. The DVC process holds the lock, so that a second sweep, started meanwhile or after the
first was killed, waits for a running experiment instead of running it twice.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.core.git import git_identity
from pipeline.core.terminal import console
from tools.sweeps.plan import Experiment, param_options

POLL = 0.5  # seconds
PATIENCE = 30  # seconds that an interrupted training gets to close its run
ENDED = ("done", "failed")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAST_BYTES = 4096  # of a log: enough for its last lines


@dataclass
class Job:
    """An experiment in the sweep: waiting, running, done or failed."""

    experiment: Experiment
    log: Path
    state: str = "waiting"
    seconds: float = 0  # that it has run
    process: psutil.Popen | None = None

    def advance(self) -> None:
        """Start the experiment unless another process is running it; notice when it has ended."""
        if self.process:
            self.seconds = time.time() - self.process.create_time()
            if (status := self.process.poll()) is not None:
                self.state = "failed" if status else "done"
            return
        with self.log.with_suffix(".lock").open("w") as lock, suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self.experiment.name in dvc_output("exp", "list", "--name-only").split():
                self.state = "done"
            else:
                self.state, self.process = "running", self._start(lock.fileno())

    def _start(self, lock: int) -> psutil.Popen:
        name = self.experiment.name
        command = [sys.executable, "-m", "tools.sweeps.run", f"refs/sweep/{name}"]
        command += ["--wait-for-lock", "exp", "run", "--temp", "--name", name]
        with self.log.open("wb") as log:
            return psutil.Popen(
                [*command, *param_options(self.experiment.settings)],
                env={**os.environ, **git_identity()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[lock],  # DVC holds the lock as long as it lives
                start_new_session=True,  # so that all it starts can be interrupted with it
            )

    def last_lines(self) -> list[str]:
        """Those of the log that hold text; after carriage returns, each as its own line."""
        content = self.log.read_bytes()[-LAST_BYTES:] if self.log.is_file() else b""
        lines = content.decode(errors="replace").splitlines()
        return [line.strip() for line in lines if line.strip()] or ["it wrote nothing"]

    def reason(self) -> str:
        """Why it failed: the first error near the end of its log, else its last line."""
        lines = self.last_lines()
        return next((line for line in lines if line.lower().startswith("error:")), lines[-1])


def run_jobs(jobs: Sequence[Job], workers: int) -> None:
    """Run the jobs and show their progress. Stop them all on Ctrl-C or a signal to terminate."""
    console.print(f"{len(jobs)} experiments, {workers} at a time; logs in {jobs[0].log.parent}")
    signals: list[int] = []
    # Noted, not raised: an exception just after a process has started would lose the process.
    before = {n: signal.signal(n, lambda number, _: signals.append(number)) for n in SIGNALS}
    try:
        with Live(get_renderable=lambda: board(jobs), console=console, refresh_per_second=2):
            while not signals and (unfinished := [job for job in jobs if job.state not in ENDED]):
                for job in unfinished[:workers]:
                    job.advance()
                time.sleep(POLL)
        if signals:
            console.print("Stopping: a training keeps its last whole epoch ...")
    finally:
        stop([job.process for job in jobs if job.process])
        for each, handler in before.items():
            signal.signal(each, handler)
    if signals:
        console.print("Stopped. The same command resumes the sweep.")
        raise KeyboardInterrupt


def stop(processes: Iterable[psutil.Process]) -> None:
    """Interrupt what still runs, as Ctrl-C would; kill what has not ended after PATIENCE."""
    running = [each for each in processes if each.is_running()]
    for number in (signal.SIGINT, signal.SIGKILL):
        for process in running:
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(process.pid, number)
        _, running = psutil.wait_procs(running, PATIENCE)


def dvc_output(*arguments: str) -> str:
    """The output of a DVC command, which Ctrl-C does not interrupt: its session is its own."""
    return subprocess.check_output(["dvc", *arguments], text=True, start_new_session=True)


def board(jobs: Iterable[Job]) -> Table:
    """One row for each job: its name, how long it has run, and its last line or its state."""
    table = Table.grid(padding=(0, 1))
    for job in jobs:
        line = job.last_lines()[-1] if job.state == "running" else job.state
        elapsed = str(timedelta(seconds=int(job.seconds))) if job.process else ""
        table.add_row(job.experiment.name, elapsed, Text(line[: console.width // 2]))
    return table


def print_failures(jobs: Iterable[Job]) -> None:
    """Print which experiments failed, and why."""
    for job in jobs:
        if job.state == "failed":
            settings = ", ".join(f"{key}={value}" for key, value in job.experiment.settings.items())
            message = f"failed: {job.experiment.name} ({settings})\n  {job.reason()}\n  {job.log}"
            console.print(message, style="red", markup=False, highlight=False, soft_wrap=True)


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
