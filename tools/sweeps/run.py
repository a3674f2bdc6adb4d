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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

import psutil
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.core.git import git_identity
from pipeline.core.terminal import console
from pipeline.model.settings import PAUSE_AFTER
from tools.sweeps.experiments import finished_experiments
from tools.sweeps.plan import Experiment, param_options

POLL = 0.5  # seconds
PATIENCE = 30  # seconds that an interrupted training gets to close its run
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAST_BYTES = 4096  # of a log: enough for its last lines


@dataclass
class Job:
    """An experiment in the sweep: waiting, running, paused, done or failed.

    `stage` is the last one that runs (all do if it is empty), `pause_after` the number of epochs
    after which training pauses (None: it trains to its end).
    """

    experiment: Experiment
    log: Path
    stage: str = ""
    pause_after: int | None = None
    state: str = "waiting"
    seconds: float = 0  # that it has run
    process: psutil.Popen | None = None

    def start(self, slot: int) -> bool:
        """Start the experiment unless it is done, or a process, even this one, is running it.

        slot: the descriptor of a slot's file, which DVC's process will hold as long as it lives.
        """
        with self.lock() as lock:
            if lock is None:
                return False
            if self.experiment.name in finished_experiments():
                self.state = "done"
                return False
            self.state, self.process = "running", self._start(lock.fileno(), slot)
            return True

    @contextmanager
    def lock(self) -> Iterator[IO[str] | None]:
        """Hold the experiment's lock; None if another process holds it."""
        with try_lock(self.log.with_suffix(".lock")) as lock:
            yield lock

    def poll(self) -> None:
        """Notice when it has ended."""
        if self.state == "running" and self.process:
            self.seconds = time.time() - self.process.create_time()
            if (status := self.process.poll()) is not None:
                self.state = "failed" if status else "done"

    def _start(self, *locks: int) -> psutil.Popen:
        name = self.experiment.name
        command = [sys.executable, "-m", "tools.sweeps.run", f"refs/sweep/{name}"]
        command += ["--wait-for-lock", "exp", "run", "--temp", "--name", name]
        command += [*param_options(self.experiment.settings), *filter(None, [self.stage])]
        pause = {PAUSE_AFTER: str(self.pause_after)} if self.pause_after else {}
        with self.log.open("wb") as log:
            return psutil.Popen(
                command,
                env={**os.environ, **git_identity(), **pause},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=locks,
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


@contextmanager
def try_lock(file: Path) -> Iterator[IO[str] | None]:
    """Hold the lock of a file during the block, as do processes that get it; None if it is held."""
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield lock


def run_jobs(
    jobs: dict[str, Job], candidates: Callable[[], Iterable[Job]], workers: int, folder: Path
) -> None:
    """Run the candidates and show the jobs' progress. Stop all on Ctrl-C or a signal to terminate.

    jobs: by experiment; those that are started are added.
    candidates: gives those to start next, the most urgent first, until there are none.
    workers: how many slots there are, files in the folder: every sweep in this repository takes one
        for each experiment under way, so that all together leave no two trainings one core.
    """
    console.print(f"{workers} experiments at a time; logs in {folder}", soft_wrap=True)
    signals: list[int] = []
    # Noted, not raised: an exception just after a process has started would lose the process.
    before = {n: signal.signal(n, lambda number, _: signals.append(number)) for n in SIGNALS}
    try:
        with Live(get_renderable=lambda: board(jobs), console=console, refresh_per_second=2):
            while not signals and advance(jobs, candidates, workers, folder):
                time.sleep(POLL)
        console.print()
        if signals:
            console.print("Stopping: a training keeps its last whole epoch ...")
    finally:
        stop([job.process for job in jobs.values() if job.process])
        for each, handler in before.items():
            signal.signal(each, handler)
    if signals:
        console.print("Stopped. The same command resumes the sweep.")
        raise KeyboardInterrupt


def advance(
    jobs: dict[str, Job], candidates: Callable[[], Iterable[Job]], workers: int, folder: Path
) -> bool:
    """Notice which jobs have ended, and start others in the free slots; False if all is done."""
    for job in jobs.values():
        job.poll()
    while True:
        with free_slot(folder, workers) as slot:
            if slot is None:
                return True
            waiting = False
            for job in candidates():
                waiting = True
                if job.start(slot.fileno()):
                    jobs[job.experiment.name] = job
                    break
            else:
                return waiting or any(job.state == "running" for job in jobs.values())


@contextmanager
def free_slot(folder: Path, workers: int) -> Iterator[IO[str] | None]:
    """Hold the first slot that no process holds; None if all are held."""
    with ExitStack() as stack:
        for number in range(workers):
            if slot := stack.enter_context(try_lock(folder / f"slot-{number}")):
                yield slot
                return
        yield None


def stop(processes: Iterable[psutil.Process]) -> None:
    """Interrupt what still runs, as Ctrl-C would; kill what has not ended after PATIENCE."""
    running = [each for each in processes if each.is_running()]
    for number in (signal.SIGINT, signal.SIGKILL):
        for process in running:
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(process.pid, number)
        _, running = psutil.wait_procs(running, PATIENCE)


def board(jobs: Mapping[str, Job]) -> Table:
    """One row for each job: its name, how long it has run, and its last line or its state."""
    table = Table.grid(padding=(0, 1))
    for job in jobs.values():
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
