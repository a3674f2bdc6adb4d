"""The tables that an evaluation left in a version's run."""

from pathlib import Path

from mlflow.exceptions import MlflowException

from pipeline.records.registry import Version
from pipeline.records.run import CHECKPOINT_TAG
from pipeline.records.store import Store, store_errors

FOLDER = "tables"  # among the run's artifacts


def fetch_table(store: Store, version: Version, name: str, folder: Path) -> Path | None:
    """Copy a table of the version's run into the folder.

    None if the run has no such table, is gone, or has trained another checkpoint since (then its
    tables are that one's). Raises UserError if the store fails.
    """
    with store_errors(store.uri):
        try:
            run = store.client.get_run(version.run_id)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        if run.data.tags.get(CHECKPOINT_TAG) != version.tags.get(CHECKPOINT_TAG):
            return None
        path = f"{FOLDER}/{name}"
        tables = store.client.list_artifacts(version.run_id, FOLDER)
        if path not in {artifact.path for artifact in tables}:
            return None
        return Path(store.client.download_artifacts(version.run_id, path, str(folder)))
