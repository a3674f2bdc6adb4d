"""The outcome of a sweep: its experiments by validation score, and their MLflow runs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.table import Column, Table

from pipeline.core.layout import EVALUATE_METRICS, TRAIN_METRICS
from pipeline.core.terminal import console
from pipeline.records.runs import find_run, run_page
from pipeline.records.store import Store
from tools.sweeps.plan import Experiment
from tools.sweeps.run import dvc_output

MINUTE = 60_000  # milliseconds
FILE_WIDTH = 160  # characters: the table's width where there is no window to fit


@dataclass(frozen=True)
class Result:
    """A finished experiment: mIoU on both lists, and its MLflow run.

    The minutes are those of the training, from its start to its end. They and the run's id are None
    if the store has no such run, because DVC restored everything from its cache.
    """

    experiment: Experiment
    val_miou: float
    test_miou: float
    run_id: str | None
    minutes: float | None


def read_results(experiments: Iterable[Experiment], store: Store) -> list[Result]:
    """Read the results of the finished experiments, best first.

    By validation score: a test list that chooses the model no longer tests it.
    """
    shown = {
        each["name"]: each["revs"][0]["data"]["metrics"]
        for revision in json.loads(dvc_output("exp", "show", "--json"))
        for each in revision["experiments"] or []
        if each["revs"]
    }
    results = []
    for experiment in [each for each in experiments if each.name in shown]:
        metrics = shown[experiment.name]
        val = metrics[str(TRAIN_METRICS)]["data"]["val"]["miou"]
        test = metrics[str(EVALUATE_METRICS)]["data"]["miou"]
        run = find_run(store, experiment.name, "dvc.exp_name")
        times = (run.info.start_time, run.info.end_time) if run else (0, None)
        minutes = (times[1] - times[0]) / MINUTE if times[1] else None
        results.append(Result(experiment, val, test, run.info.run_id if run else None, minutes))
    return sorted(results, key=lambda result: result.val_miou, reverse=True)


def print_ranking(results: Sequence[Result], keys: Sequence[str], store: Store) -> None:
    """Print the results, best first, with the settings `keys`, and how to use the best."""
    if not results:
        return
    width = console.width if console.is_terminal else FILE_WIDTH
    console.print(ranking(results, keys), width=width)
    best = results[0]
    cached = "none in this store: all of it came out of DVC's cache"
    page = run_page(store, best.run_id) if best.run_id else cached
    console.print(
        f"\nBest on the validation list: {best.experiment.name}\n"
        f"  take it into the workspace:  dvc exp apply {best.experiment.name}\n"
        f"  look at its run:             {page}",
        highlight=False,
        soft_wrap=True,
    )


def differing(experiments: Sequence[Experiment]) -> list[str]:
    """List the settings in which the experiments differ, in the order of their first use."""
    keys = dict.fromkeys(key for each in experiments for key in each.settings)
    return [key for key in keys if len({str(each.settings.get(key)) for each in experiments}) > 1]


def ranking(results: Sequence[Result], keys: Sequence[str]) -> Table:
    """The results as a table, the best in its first row."""
    names = ("", "experiment", "val mIoU", "test mIoU", "minutes", *keys, "run")
    columns = (Column(name, no_wrap=True) for name in names)
    table = Table(*columns, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for place, result in enumerate(results, 1):
        table.add_row(
            str(place),
            result.experiment.name,
            f"{result.val_miou:.4f}",
            f"{result.test_miou:.4f}",
            "" if result.minutes is None else f"{result.minutes:.1f}",
            *(str(result.experiment.settings.get(key, "")) for key in keys),
            (result.run_id or "none")[:8],
        )
    return table
