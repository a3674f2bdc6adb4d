"""The outcome of a sweep: its experiments by validation score, and their MLflow runs."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Column, Table

from pipeline.core.layout import EVALUATE_METRICS, TRAIN_METRICS
from pipeline.core.terminal import console, say
from pipeline.records.experiments import experiment_runs
from pipeline.records.runs import run_page
from pipeline.records.store import Store
from tools.sweeps.jobs import finished_experiments, read_metrics
from tools.sweeps.plan import Experiment, param_options

MINUTE = 60_000  # milliseconds
FILE_WIDTH = 160  # characters: the table's width where there is no window to fit


@dataclass(frozen=True)
class Result:
    """An experiment, its scores by the title of their column, and its MLflow run.

    `spent` says how long it was trained. That and the run's id are empty if the store has no such
    run, because DVC restored everything from its cache.
    """

    experiment: Experiment
    scores: Mapping[str, float]
    run_id: str
    spent: str


def read_results(experiments: Sequence[Experiment], store: Store) -> list[Result]:
    """Read the results of the finished experiments, best first.

    By validation score: a test list that chooses the model no longer tests it.
    """
    finished = finished_experiments()
    runs = experiment_runs(store, experiments[0].name.rpartition("-")[0])
    results = []
    for experiment in [each for each in experiments if each.name in finished]:
        metrics = read_metrics(finished[experiment.name], (TRAIN_METRICS, EVALUATE_METRICS))
        val, test = metrics["train"]["val"]["miou"], metrics["evaluate"]["miou"]
        run, minutes = runs.get(experiment.name), ""
        if run and run.info.end_time:
            minutes = f"{(run.info.end_time - run.info.start_time) / MINUTE:.1f}"
        scores = {"val mIoU": val, "test mIoU": test}
        results.append(Result(experiment, scores, run.info.run_id if run else "", minutes))
    return sorted(results, key=lambda result: result.scores["val mIoU"], reverse=True)


def print_ranking(results: Sequence[Result], keys: Sequence[str], spent: str = "minutes") -> None:
    """Print the results, of which there are some, the best first, with the settings `keys`.

    spent: the title of that column.
    """
    names = ("", "experiment", *results[0].scores, spent, *keys, "run")
    columns = (Column(name, no_wrap=True) for name in names)
    table = Table(*columns, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for place, result in enumerate(results, 1):
        table.add_row(
            str(place),
            result.experiment.name,
            *(f"{score:.4f}" for score in result.scores.values()),
            result.spent,
            *(str(result.experiment.settings.get(key, "")) for key in keys),
            (result.run_id or "none")[:8],
        )
    (console if console.is_terminal else Console(width=FILE_WIDTH)).print(table)


def print_best(best: Result, store: Store) -> None:
    """Print how to use the best result."""
    cached = "none in this store: all of it came out of DVC's cache"
    say(
        f"\nBest on the validation list: {best.experiment.name}\n"
        f"  take it into the workspace:  dvc exp apply {best.experiment.name}\n"
        f"  look at its run:             {run_page(store, best.run_id) if best.run_id else cached}",
    )


def print_paused(results: Sequence[Result], epochs: int) -> None:
    """Print how many epochs a search has spent, how many it would be in full, how to continue it.

    A result's `spent` begins with the epochs that it was trained for.
    """
    trained = [int(each.spent.partition("/")[0]) for each in results]
    paused = [each for each, done in zip(results, trained, strict=True) if done < epochs]
    told = [f"\n{sum(trained)} epochs were trained; in full it would be {epochs * len(results)}."]
    if paused:
        best = paused[0].experiment
        options = shlex.join(["--name", best.name, *param_options(best.settings)])
        told += [
            f"{len(paused)} trials are paused, and kept for 30 days. To continue the best of them:",
            f"  dvc exp run --temp {options}",
        ]
    say("\n".join(told))


def differing(experiments: Iterable[Experiment]) -> list[str]:
    """List the settings in which the experiments differ, in the order of their first use."""
    settings = [each.settings for each in experiments]
    keys = dict.fromkeys(key for each in settings for key in each)
    return [key for key in keys if len({str(each.get(key)) for each in settings}) > 1]
