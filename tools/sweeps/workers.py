"""Run experiments, a few at a time: each by a DVC of its own, in a copy of the workspace.

Not by DVC's queue: it goes on calling a task running whose worker was killed, and its workers
may end before the queue is empty. Here nothing is kept but DVC's experiments themselves, and a
lock for each that runs: it is held by the DVC process, so that whoever starts the same sweep
beside it, or after it was killed, waits for what still runs instead of running it twice.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.git import git_identity
from tools.experiments import param_options
from tools.sweeps.plan import Experiment

PATIENCE = 30  # seconds that an interrupted training gets to end its run
LAST_BYTES = 4096  # of a log, enough for its last lines


@dataclass
class Job:
    """An experiment on its way: waiting, running, done or failed, and where it writes to."""

    experiment: Experiment
    log: Path
    state: str = "waiting"
    started: float | None = None

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed")

    def last_line(self) -> str:
        """What it printed last; empty before that."""
        return next(reversed(log_lines(self.log)), "")

    def reason(self) -> str:
        """Why it failed: the first error in the end of its log, else its last line."""
        lines = log_lines(self.log)
        errors = [line for line in lines if line.lower().startswith("error:")]
        return (errors or lines or ["it wrote nothing"])[0 if errors else -1]


class Workers:
    """Works through jobs in its own threads; `stop` interrupts those that run."""

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stopped = threading.Event()
        self._guard = threading.Lock()
        self._pool = ThreadPoolExecutor(workers)
        self._futures = [self._pool.submit(self._work, job) for job in jobs]

    def finished(self) -> bool:
        """Whether all jobs have ended; raises what a job raised by a mistake of this program."""
        ended = [future for future in self._futures if future.done()]
        for future in ended:
            future.result()
        return len(ended) == len(self._futures)

    def stop(self) -> None:
        """Interrupt what runs as Ctrl-C would, and kill what does not end; begin nothing more."""
        with self._guard:  # a process is either known here, or will not be started any more
            self._stopped.set()
            running = list(self._processes.values())
        for process in running:
            _signal_group(process, signal.SIGINT)
        deadline = time.monotonic() + PATIENCE
        for process in running:
            try:
                process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)
        self._pool.shutdown(cancel_futures=True)

    def _work(self, job: Job) -> None:
        name = job.experiment.name
        with _alone(job.log.with_suffix(".lock"), self._stopped) as lock:
            if self._stopped.is_set():
                return
            if name in finished_experiments():
                job.state = "done"
                return
            job.state, job.started = "running", time.monotonic()
            with job.log.open("wb") as log, self._guard:
                if self._stopped.is_set():
                    return
                process = _start(job.experiment, log.fileno(), lock)
                self._processes[name] = process
            status = process.wait()
            del self._processes[name]
            job.state = "failed" if status else "done"


def finished_experiments() -> set[str]:
    """The names of DVC's experiments on the present commit."""
    listing = subprocess.run(
        ["dvc", "exp", "list", "--name-only"], capture_output=True, text=True, check=True
    )
    return set(listing.stdout.split())


def log_lines(log: Path) -> list[str]:
    """The last lines of a log that have text; of a line that overwrites itself, the last state."""
    if not log.is_file():
        return []
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - LAST_BYTES))
        text = stream.read().decode(errors="replace")
    return [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]


def _start(experiment: Experiment, log: int, lock: int) -> "subprocess.Popen[bytes]":
    """In a group of its own, so that it can be interrupted with all that it starts."""
    name = experiment.name
    command = [sys.executable, "-m", "tools.sweeps.own_stash", f"refs/sweep/{name}"]
    command += ["--wait-for-lock", "exp", "run", "--temp", "--name", name]
    return subprocess.Popen(
        [*command, *param_options(experiment.settings)],
        env={**os.environ, **git_identity()},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=[lock],  # which holds the lock as long as DVC lives
        start_new_session=True,
    )


@contextmanager
def _alone(lock: Path, stopped: threading.Event) -> Iterator[int]:
    """Hold a lock file, waiting for whoever does unless `stopped`; give its descriptor."""
    with lock.open("w") as stream:
        while not stopped.is_set():
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.5)
        yield stream.fileno()


def _signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        os.killpg(process.pid, number)
