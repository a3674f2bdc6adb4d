"""Where runs and versions are kept: opened, and created when they are not there yet."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from pipeline.core.files import scratch_folder
from pipeline.core.layout import workspace_root
from pipeline.core.terminal import UserError

EXPERIMENT = "petseg"
SQLITE = "sqlite:///"

# mlflow's own (7 retries, 120 s) let a hung server hold a stage for a quarter of an hour.
HTTP_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # a stage says itself where its run is
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Through the server, which has the key, and not by signed addresses in a bucket behind it,
    # which people may not reach.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}

TALKERS = {
    "mlflow": logging.WARNING,  # it narrates each table it makes
    "mlflow.store.db.utils": logging.CRITICAL,  # tracebacks of a full disk: the command says it
    "mlflow.system_metrics": logging.ERROR,  # a dead server is told of once, by the run
    "urllib3.connectionpool": logging.ERROR,  # a line for each try
}


@dataclass(frozen=True)
class Store:
    """An open store, and the experiment in it that holds the project's runs."""

    uri: str
    experiment_id: str
    client: MlflowClient


def default_uri() -> str:
    """The database in the root of the repository, also for a temporary copy of the workspace."""
    return f"{SQLITE}{workspace_root()}/mlflow.db"


def configured_uri() -> str:
    """MLFLOW_TRACKING_URI, else `default_uri()`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or default_uri()


def is_new(uri: str) -> bool:
    """Whether opening the store would create its database: nothing is in it yet."""
    return uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file()


def open_store(uri: str | None = None) -> Store:
    """Open the store at `uri`, else at `configured_uri()`.

    Database and experiment ("petseg", or what MLFLOW_EXPERIMENT_NAME says) are created if they
    are not there yet. The artifacts of an SQLite store lie beside its database; a server decides
    for itself.
    Raises UserError, in seconds, for a store that cannot be reached or read.
    """
    uri = uri or configured_uri()
    for name, value in HTTP_DEFAULTS.items():
        os.environ.setdefault(name, value)
    for talker, level in TALKERS.items():
        logging.getLogger(talker).setLevel(level)
    _check_reachable(uri)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    # Two processes that make the same tables, or the same experiment, would both fail.
    with store_errors(uri), store_lock():
        _create_database(uri)
        client = MlflowClient(uri, registry_uri=uri)
        return Store(uri, _experiment_id(client, name, _artifact_location(uri)), client)


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """What the store answers to a command that cannot go on without it, as a UserError."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, requests.RequestException) as error:
        raise UserError(f"the MLflow store {uri} failed: {error}") from None


@contextmanager
def store_lock() -> Iterator[None]:
    """Only one process of this repository at a time: for find-or-create in the store."""
    lock = workspace_root() / ".cache" / "mlflow.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        yield


@contextmanager
def unless_it_exists() -> Iterator[None]:
    """For a creation in which another machine may be faster, which no lock here holds back."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _create_database(uri: str) -> None:
    """All tables or none: of a process killed meanwhile, mlflow refuses what it leaves."""
    file = Path(uri.removeprefix(SQLITE))
    if uri.startswith(SQLITE) and not file.exists():
        with scratch_folder(file) as folder:
            MlflowClient(f"{SQLITE}{folder}/mlflow.db")
            (folder / "mlflow.db").rename(file)


def _experiment_id(client: MlflowClient, name: str, artifact_location: str | None) -> str:
    if client.get_experiment_by_name(name) is None:
        with unless_it_exists():
            client.create_experiment(name, artifact_location)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None, "it was there, or was created"
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return experiment.experiment_id


def _artifact_location(uri: str) -> str | None:
    """Explicit, since it would else depend on the folder of whichever process came first."""
    if not uri.startswith(SQLITE):
        return None
    database = Path(uri.removeprefix(SQLITE)).resolve()
    database.parent.mkdir(parents=True, exist_ok=True)
    return (database.parent / "mlartifacts").as_uri()


def _check_reachable(uri: str) -> None:
    """Any answer of the server will do: what it means is for mlflow to say."""
    if not uri.startswith(("http://", "https://")):
        return
    try:
        requests.head(uri, timeout=5)
    except requests.RequestException as error:
        reason = type(error).__name__
        raise UserError(
            f"the MLflow server {uri} does not answer ({reason}): start it, correct "
            "MLFLOW_TRACKING_URI, or unset that to use mlflow.db in the repository"
        ) from None
