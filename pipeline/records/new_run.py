"""A new run, with everything that is known at its start."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Param
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from pipeline.core.git import UNKNOWN
from pipeline.records.lineage import lineage_tags
from pipeline.records.origin_files import log_origin
from pipeline.records.store import Store

PARAMS_A_REQUEST = 100
DIGEST_LENGTH = 36  # MLflow's limit for a data set: DVC's "<md5>.dir" just fits


def create_run(store: Store, data: Path, params: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Create a run with lineage and tags, by which it is found again; return its id."""
    origin = lineage_tags(data, Path())
    return store.client.create_run(
        store.experiment_id, tags=resolve_tags({**origin, **tags}), run_name=_name(origin, params)
    ).info.run_id


def describe_run(
    store: Store, run_id: str, data: Path, params: Mapping[str, Any], counts: Mapping[str, int]
) -> None:
    """Give a new run its origin, its data set as input, and its params.

    `counts`: pairs by list, shown with the data set. The params come last: a run that has some
    lacks nothing of this.
    """
    log_origin(store, run_id)
    store.client.log_inputs(run_id, [_data_input(data, lineage_tags(data, Path()), counts)])
    values = [Param(key, str(value)) for key, value in params.items()]
    for start in range(0, len(values), PARAMS_A_REQUEST):
        store.client.log_batch(run_id, params=values[start : start + PARAMS_A_REQUEST])


def _name(origin: Mapping[str, str], params: Mapping[str, Any]) -> str:
    """The DVC experiment's, else data set, encoder and commit: "sample-plain-1a2b3c4".

    With "+" when the source differs from the commit.
    """
    dirty = "+" if origin["git.dirty"] == "true" else ""
    encoder = str(params.get("model.encoder", UNKNOWN))
    parts = (origin["data.name"], encoder, f"{origin['git.commit'][:7]}{dirty}")
    by_commit = "-".join(part for part in parts if part != UNKNOWN)
    return origin.get("dvc.exp_name", by_commit or "train")


def _data_input(data: Path, origin: Mapping[str, str], counts: Mapping[str, int]) -> DatasetInput:
    known = [origin[key] for key in ("data.digest", "data.index_md5") if origin[key] != UNKNOWN]
    dataset = Dataset(
        name=origin["data.name"],
        digest=[*known, UNKNOWN][0][:DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": data.as_posix()}),
        profile=json.dumps(dict(counts)),
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, "training")])
