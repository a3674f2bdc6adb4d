"""What a sweep found: its experiments by validation score, with their runs."""

import hashlib
import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dvc.api
from rich.table import Table

from pipeline.records.runs import find_run
from pipeline.records.store import Store
from tools.sweeps.plan import Experiment

CHECKPOINT = "models/checkpoint.pth"
TRAIN, TEST = "metrics/train.json", "metrics/evaluate.json"
MINUTE = 60_000  # milliseconds


@dataclass(frozen=True)
class Result:
    """A finished experiment: mIoU on both lists, and its MLflow run.

    Of a run that this store does not know, because DVC took all from its cache, id and minutes
    are None. The minutes are those from the start to the end of the training.
    """

    experiment: Experiment
    val_miou: float
    test_miou: float
    run_id: str | None
    minutes: float | None


def read_results(experiments: Iterable[Experiment], store: Store) -> list[Result]:
    """What the finished ones among the experiments gave, best first.

    By validation score: whoever chooses by the test list has no test list any more.
    """
    shown = _show()
    results = [
        _result(experiment, shown[experiment.name]["metrics"], store)
        for experiment in experiments
        if experiment.name in shown
    ]
    return sorted(results, key=lambda result: result.val_miou, reverse=True)


def differing(experiments: Sequence[Experiment]) -> list[str]:
    """The settings by which the experiments differ, in the order in which they were made."""
    keys = dict.fromkeys(key for experiment in experiments for key in experiment.settings)
    return [
        key
        for key in keys
        if len({json.dumps(each.settings.get(key), default=str) for each in experiments}) > 1
    ]


def ranking(results: Sequence[Result], keys: Sequence[str]) -> Table:
    """The results as a table, the best in its first row."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("", "experiment", "val mIoU", "test mIoU", "minutes", *keys, "run"):
        table.add_column(column, no_wrap=True)
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


def _result(experiment: Experiment, metrics: Mapping[str, Any], store: Store) -> Result:
    with dvc.api.open(CHECKPOINT, rev=experiment.name, mode="rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    run = find_run(store, digest)
    return Result(
        experiment,
        metrics[TRAIN]["data"]["val"]["miou"],
        metrics[TEST]["data"]["miou"],
        run.info.run_id if run else None,
        (run.info.end_time - run.info.start_time) / MINUTE if run and run.info.end_time else None,
    )


def _show() -> dict[str, Mapping[str, Any]]:
    """What DVC knows of the present commit's experiments, by name."""
    command = ["dvc", "exp", "show", "--json"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    return {
        experiment["name"]: experiment["revs"][0]["data"]
        for revision in json.loads(shown.stdout)
        for experiment in revision["experiments"] or []
        if experiment["revs"]
    }
