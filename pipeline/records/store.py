"""Where runs and versions are kept: opened, and created when they are not there yet."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
import requests
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from pipeline.core.files import scratch_folder
from pipeline.core.layout import cache_folder
from pipeline.core.terminal import UserError, redacted
from pipeline.records.database import artifact_folder, configured_uri, database_file, sqlite_uri

EXPERIMENT = "petseg"

VIEW = EXPERIMENT  # the name of the view below
COLUMNS = (
    *(f"metrics.`{name}`" for name in ("test.miou", "val.miou")),
    *(f"params.`{name}`" for name in ("model.encoder", "train.lr")),
    *(f"tags.`{name}`" for name in ("data.name", "params.changed")),
)
# What MLflow's pages read: that models are trained here, and a view of the runs.
EXPERIMENT_TAGS = {
    "mlflow.note.content": "Each run is one training. `make ui` prints the address of a table of "
    "them, the best first. (From here: *Model training*, then *Training runs*.)",
    "mlflow.experimentKind": "custom_model_development",
    f"mlflow.sharedViewState.{VIEW}": json.dumps(
        {"selectedColumns": COLUMNS, "orderByKey": COLUMNS[0], "orderByAsc": False}
    ),
}

# With mlflow's own (7 retries, 120 s) a hung server would hold a stage for a quarter of an hour,
# and a dead database for two minutes.
DATABASE_TRIES = 4
DEFAULTS = {
    "PGCONNECT_TIMEOUT": "5",  # seconds
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # a stage says itself where its run is
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Through the server, which has the key, and not by signed addresses in a bucket behind it,
    # which people may not reach.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}
UNREACHABLE = ". Start it, correct MLFLOW_TRACKING_URI, or unset that to use mlflow.db here"
UNSAFE = ". Name the file of its private certificate in MLFLOW_TRACKING_SERVER_CERT_PATH"
NEWER = (  # an older one's database is upgraded when it is opened
    ": a newer MLflow than the installed one wrote it. Install that one, or move it away: the next "
    "command begins an empty one"
)
NO_CONNECTION = "failed with exception"  # what MLflow says of a request that got no answer
LOG_LEVELS = {
    "mlflow": logging.WARNING,  # it reports each table it makes
    "mlflow.store.db.utils": logging.CRITICAL,  # tracebacks of a full disk: the command says it
    "mlflow.system_metrics": logging.ERROR,  # the run itself warns of a dead server, once
    "urllib3.connectionpool": logging.ERROR,  # a line for each try
}


@dataclass(frozen=True)
class Store:
    """An open store, and the experiment in it that holds the project's runs."""

    uri: str
    experiment_id: str
    client: MlflowClient

    @property
    def name(self) -> str:
        """Its address for people and files: without a password."""
        return redacted(self.uri)

    @property
    def page(self) -> str:
        """The part after a server's address of the page that lists the runs, the best first."""
        view = f"workflowType=machine_learning&viewStateShareKey={VIEW}"
        return f"#/experiments/{self.experiment_id}/runs?{view}"


def open_store(uri: str | None = None) -> Store:
    """Open the store at `uri`, else at `configured_uri()`.

    Database and experiment ("petseg", or MLFLOW_EXPERIMENT_NAME) are created if they are missing;
    that of MLFLOW_EXPERIMENT_ID must exist. A deleted experiment comes back. The artifacts of an
    SQLite store lie beside its database; a server decides for itself.
    Raises UserError, within half a minute, for a store that cannot be reached or read.
    """
    uri = uri or configured_uri()
    with store_errors(uri):
        file = database_file(uri)
        if file is None or file.exists():  # reading needs no lock, which would write a file
            client = connect(uri)
            experiment = _find_experiment(client)
            if experiment is not None and experiment.lifecycle_stage == "active":
                return Store(uri, experiment.experiment_id, client)
        # Two processes that make the same tables, or the same experiment, would both fail.
        with store_lock():
            if file is not None and not file.exists():
                # All tables or none: mlflow refuses a database whose creation was killed.
                with scratch_folder(file) as folder:
                    connect(sqlite_uri(folder / "mlflow.db"))
                    (folder / "mlflow.db").rename(file)
            client = connect(uri)
            return Store(uri, _experiment_id(client, uri), client)


def connect(uri: str) -> MlflowClient:
    """A client of the store at `uri`, which must exist."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if not uri.startswith("http"):
        from mlflow.store.db import utils  # noqa: PLC0415 - a server's client needs no tables

        utils.MAX_RETRY_COUNT = DATABASE_TRIES
        # The environment may lie in a folder with a %, as continuous integration makes them: with
        # this path MLflow tells Alembic where its migrations are, and there % is a placeholder.
        package = str(Path(mlflow.__file__).absolute().parent).replace("%", "%%")
        utils._get_package_dir = lambda: package
    for logger, level in LOG_LEVELS.items():
        logging.getLogger(logger).setLevel(level)
    return MlflowClient(uri, registry_uri=uri)


class StoreError(UserError):
    """The store failed, perhaps for a while."""


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn the store's errors in the block into a StoreError, or a UserError."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, requests.RequestException) as error:
        reason, remedy = str(error), ""
        if NO_CONNECTION in reason:
            reason = f"no connection: {reason.rpartition('Caused by ')[2].removesuffix(')')}"
            remedy = UNSAFE if "CERTIFICATE" in reason else UNREACHABLE
        if "out-of-date database schema" in reason:
            reason, remedy = "its schema is unknown", NEWER
        raise StoreError(f"the MLflow store {uri} failed: {reason}{remedy}") from None
    except ModuleNotFoundError as error:
        raise UserError(
            f"the MLflow store {uri} needs the package {error.name}: make .venv/installed-for-teams"
        ) from None


def store_lock() -> FileLock:
    """Only one process of this repository at a time: for find-or-create in the store."""
    return FileLock(cache_folder(".") / "mlflow.lock")


@contextmanager
def unless_it_exists() -> Iterator[None]:
    """Ignore that something exists already: another machine, which no lock here stops, made it."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _find_experiment(client: MlflowClient) -> Experiment | None:
    name, known = (os.environ.get(f"MLFLOW_EXPERIMENT_{key}") for key in ("NAME", "ID"))
    if known and not name:
        return client.get_experiment(known)
    return client.get_experiment_by_name(name or EXPERIMENT)


def _experiment_id(client: MlflowClient, uri: str) -> str:
    experiment = _find_experiment(client)
    if experiment is None:
        # Explicit: else it would depend on the folder of whichever process came first.
        artifacts = artifact_folder(uri)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        with unless_it_exists():
            place = artifacts.as_uri() if artifacts else None
            client.create_experiment(name, place, EXPERIMENT_TAGS)
        experiment = _find_experiment(client)
        assert experiment is not None, "it was there, or was created"
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return experiment.experiment_id
