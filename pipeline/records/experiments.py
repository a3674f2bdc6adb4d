"""DVC's experiments as MLflow knows them: their runs, and what each epoch of them measured."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.records.lineage import EXPERIMENT_TAG
from pipeline.records.runs import MOST, PAUSED_TAG
from pipeline.records.store import Store, store_errors

MINUTE = 60_000  # milliseconds


@dataclass(frozen=True)
class ExperimentRun:
    """The run of an experiment; see `experiment_runs`."""

    id: str
    paused_after: int  # epochs; 0 unless its training is paused
    minutes: float | None  # from the start of its training to the end; None before that


def experiment_runs(store: Store, prefix: str) -> Mapping[str, ExperimentRun]:
    """The newest run of each experiment whose name begins with the prefix, by that name.

    Raises UserError if the store fails.
    """
    query, order = f'tags.`{EXPERIMENT_TAG}` LIKE "{prefix}%"', ["attributes.start_time ASC"]
    with store_errors(store.uri):
        runs = store.client.search_runs(
            [store.experiment_id], query, order_by=order, max_results=MOST
        )
    found = {}
    for run in runs:
        started, ended, tags = run.info.start_time, run.info.end_time, run.data.tags
        minutes = (ended - started) / MINUTE if ended else None
        paused_after = int(tags.get(PAUSED_TAG, 0))
        found[tags[EXPERIMENT_TAG]] = ExperimentRun(run.info.run_id, paused_after, minutes)
    return found


def metric_by_epoch(store: Store, run_id: str, name: str) -> dict[int, float]:
    """What a run's epochs measured, by their number; empty if it has no such metric.

    Raises UserError if the store fails.
    """
    with store_errors(store.uri):
        points = store.client.get_metric_history(run_id, name)
    return {point.step: point.value for point in points}
