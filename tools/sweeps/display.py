"""What a person sees of a sweep: how far each experiment is, the ranking, what failed and why."""

from collections.abc import Iterable, Sequence

from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from pipeline.core.terminal import console
from pipeline.records.database import default_uri
from pipeline.records.store import Store
from tools.sweeps.plan import Experiment
from tools.sweeps.ranking import Result, differing, ranking
from tools.sweeps.workers import Job

FILE_WIDTH = 160  # characters: what goes to a file need not fit a window


class Board:
    """A line for each job: its name, since when it runs, and what it printed last."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self.bars = Progress(*columns, TextColumn("{task.fields[line]}"), console=console)
        self._tasks = [
            (self.bars.add_task(job.experiment.name, line=job.state, start=False), job)
            for job in jobs
        ]

    def update(self) -> None:
        for task, job in self._tasks:
            self._update(task, job)

    def _update(self, task: TaskID, job: Job) -> None:
        shown = self.bars.tasks[task]
        if job.started and not shown.started:
            self.bars.start_task(task)
        if job.ended and not shown.finished:
            self.bars.update(task, total=1, completed=1)
        line = job.last_line() if job.state == "running" else job.state
        self.bars.update(task, line=line[: console.width // 2])


def print_ranking(
    results: Sequence[Result], experiments: Sequence[Experiment], store: Store
) -> None:
    """Print the results, best first, and how to use the best."""
    if not results:
        return
    width = console.width if console.is_terminal else FILE_WIDTH
    console.print(ranking(results, differing(experiments)), width=width)
    best = results[0]
    ui = "make ui, then http://127.0.0.1:5000" if store.uri == default_uri() else store.uri
    page = f"{ui}/#/experiments/{store.experiment_id}/runs/{best.run_id}"
    lines = [
        f"\nBest on the validation list: {best.experiment.name}",
        f"  take it into the workspace:  dvc exp apply {best.experiment.name}",
        "  look at its run:             "
        + (page if best.run_id else "none in this store: all of it came out of DVC's cache"),
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True)


def print_failures(jobs: Iterable[Job]) -> None:
    """Print which experiments failed, and why."""
    for job in jobs:
        if job.state == "failed":
            settings = ", ".join(f"{key}={value}" for key, value in job.experiment.settings.items())
            message = f"failed: {job.experiment.name} ({settings})\n  {job.reason()}\n  {job.log}"
            console.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
