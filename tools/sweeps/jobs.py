"""The experiments of a sweep as jobs: started while there is room, shown, and stopped together.

The only state here is DVC's experiments and one lock file per experiment. Whoever runs one holds
its lock, so that a second sweep, started meanwhile or after the first was killed, waits for a
running experiment instead of running it twice.
"""

import fcntl
import json
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Protocol

from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.core.git import run_git
from pipeline.core.terminal import console, say
from pipeline.model.settings import PAUSE_AFTER
from tools.sweeps.plan import Experiment, param_options

POLL = 0.5  # seconds
PATIENCE = 30  # seconds that an interrupted training gets to close its run
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAST_BYTES = 4096  # of a log: enough for its last lines


@dataclass
class Job:
    """An experiment in the sweep: waiting, running, paused, done or failed.

    `stage` is the last one that runs (all do if it is empty), `pause_after` the number of epochs
    after which training pauses (None: it trains to its end), `began` the time of its start in
    seconds since 1970.
    """

    experiment: Experiment
    log: Path
    stage: str = ""
    pause_after: int | None = None
    state: str = "waiting"
    began: float = 0
    seconds: float = 0  # that it has run

    @property
    def options(self) -> list[str]:
        """What `dvc exp run` is told."""
        settings = param_options(self.experiment.settings)
        return ["--name", self.experiment.name, *settings, *filter(None, [self.stage])]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the training reads."""
        return {PAUSE_AFTER: str(self.pause_after)} if self.pause_after else {}

    @contextmanager
    def claim(self) -> Iterator[IO[str] | None]:
        """Hold the job's lock during the block; None if it is held, or if the job is done."""
        with self.lock() as lock:
            done = bool(lock) and self.experiment.name in finished_experiments()
            if done:
                self.state = "done"
            yield None if done else lock

    def lock(self) -> AbstractContextManager[IO[str] | None]:
        """Hold the job's lock during the block; None if a process, even this one, holds it."""
        return try_lock(self.log.with_suffix(".lock"))

    def begin(self) -> None:
        self.state, self.began = "running", time.time()

    def end(self, *, failed: bool) -> None:
        self.state = "failed" if failed else "done"

    def last_lines(self) -> list[str]:
        """Those of the log that hold text; after carriage returns, each as its own line."""
        content = self.log.read_bytes()[-LAST_BYTES:] if self.log.is_file() else b""
        lines = content.decode(errors="replace").splitlines()
        return [line.strip() for line in lines if line.strip()] or ["it wrote nothing"]

    def reason(self) -> str:
        """Why it failed: the first error near the end of its log, else its last line."""
        lines = self.last_lines()
        return next((line for line in lines if line.lower().startswith("error:")), lines[-1])


def finished_experiments() -> dict[str, str]:
    """The git reference of each of DVC's experiments, by name, whatever commit it began from."""
    listed = run_git(Path(), "for-each-ref", "--format=%(refname)", "refs/exps").decode()
    return {reference.rpartition("/")[2]: reference for reference in listed.split()}


def read_metrics(reference: str, files: Iterable[Path]) -> dict[str, Any]:
    """The content of these metrics files in the experiment's commit, by the files' stems."""
    texts = {file: run_git(Path(), "show", f"{reference}:./{file}") for file in files}
    return {file.stem: json.loads(text) for file, text in texts.items()}


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


class Engine(Protocol):
    """Where jobs run."""

    def place(self) -> AbstractContextManager[Callable[[Job], bool] | None]:
        """Hold a free place during the block; give the function that tries to start a job there.

        None if there is no free place.
        """

    def poll(self) -> None:
        """Notice which jobs have ended."""

    def stop(self) -> None:
        """Interrupt what runs, as Ctrl-C would; kill what has not ended after PATIENCE."""


def run_jobs(jobs: dict[str, Job], candidates: Callable[[], Iterable[Job]], engine: Engine) -> None:
    """Run the candidates and show the jobs' progress. Stop all on Ctrl-C or a signal to terminate.

    jobs: by experiment; those that are started are added.
    candidates: gives those to start next, the most urgent first, until there are none.
    """
    signals: list[int] = []
    # Noted, not raised: an exception just after a process has started would lose the process.
    nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    heard = [each for each in SIGNALS if not (nohup and each is signal.SIGHUP)]
    before = {n: signal.signal(n, lambda number, _: signals.append(number)) for n in heard}
    try:
        with Live(get_renderable=lambda: board(jobs), console=console, refresh_per_second=2):
            while not signals and advance(jobs, candidates, engine):
                time.sleep(POLL)
        console.print()
        if signals:
            console.print("Stopping: a training keeps its last whole epoch ...")
    finally:
        engine.stop()
        for each, handler in before.items():
            signal.signal(each, handler)
    if signals:
        console.print("Stopped. The same command resumes the sweep.")
        raise KeyboardInterrupt


def advance(jobs: dict[str, Job], candidates: Callable[[], Iterable[Job]], engine: Engine) -> bool:
    """Notice which jobs have ended, and start others in the free places; False if all is done.

    While something runs, a store that is away is waited for. Raises StoreError if nothing does.
    """
    from pipeline.records.store import StoreError

    engine.poll()
    try:
        return fill(jobs, candidates, engine)
    except StoreError:
        if not is_running(jobs):
            raise
        return True  # a server that is away for a while ends no training


def fill(jobs: dict[str, Job], candidates: Callable[[], Iterable[Job]], engine: Engine) -> bool:
    """Start candidates in the free places; False if there is nothing to wait for."""
    while True:
        with engine.place() as start:
            if start is None:
                return True
            waiting = False
            for job in candidates():
                waiting = True
                if start(job):
                    jobs[job.experiment.name] = job
                    break
            else:
                return waiting or is_running(jobs)


def is_running(jobs: Mapping[str, Job]) -> bool:
    return any(job.state == "running" for job in jobs.values())


def board(jobs: Mapping[str, Job]) -> Table:
    """One row for each job: its name, how long it has run, and its last line or its state."""
    table = Table.grid(padding=(0, 1))
    for job in jobs.values():
        line = job.last_lines()[-1] if job.state == "running" else job.state
        if job.state == "running":
            job.seconds = time.time() - job.began
        elapsed = str(timedelta(seconds=int(job.seconds))) if job.began else ""
        table.add_row(job.experiment.name, elapsed, Text(line[: console.width // 2]))
    return table


def print_failures(jobs: Iterable[Job]) -> None:
    """Print which experiments failed, and why."""
    for job in jobs:
        if job.state == "failed":
            settings = ", ".join(f"{key}={value}" for key, value in job.experiment.settings.items())
            message = f"failed: {job.experiment.name} ({settings})\n  {job.reason()}\n  {job.log}"
            say(message, style="red")
