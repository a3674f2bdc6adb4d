"""DVC's experiments as MLflow knows them: their runs, and what each epoch of them measured."""

from pipeline.records.lineage import EXPERIMENT_TAG
from pipeline.records.runs import MOST, StoredRun
from pipeline.records.store import Store, store_errors


def experiment_runs(store: Store, prefix: str) -> dict[str, StoredRun]:
    """The newest run of each experiment whose name begins with the prefix, by that name.

    Raises UserError if the store fails.
    """
    query, order = f'tags.`{EXPERIMENT_TAG}` LIKE "{prefix}%"', ["attributes.start_time ASC"]
    with store_errors(store.uri):
        runs = store.client.search_runs(
            [store.experiment_id], query, order_by=order, max_results=MOST
        )
    return {run.data.tags[EXPERIMENT_TAG]: run for run in runs}


def metric_by_epoch(store: Store, run_id: str, name: str) -> dict[int, float]:
    """What a run's epochs measured, by their number; empty if it has no such metric.

    Raises UserError if the store fails.
    """
    with store_errors(store.uri):
        points = store.client.get_metric_history(run_id, name)
    return {point.step: point.value for point in points}
