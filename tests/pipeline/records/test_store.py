import shutil

import pytest
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow_workspace import make_workspace

from pipeline.core.terminal import UserError, printable
from pipeline.records.store import EXPERIMENT, open_store
from pipeline.records.versions import list_versions


def test_the_default_store_lies_in_the_root_from_any_folder(workspace, monkeypatch):
    copy = workspace / "copy"
    copy.mkdir()
    monkeypatch.chdir(copy)
    store = open_store()
    experiment = store.client.get_experiment(store.experiment_id)
    assert store.uri == f"sqlite:///{workspace}/mlflow.db"
    assert (experiment.name, experiment.artifact_location) == (
        EXPERIMENT,
        (workspace / "mlartifacts").as_uri(),
    )


def test_a_store_that_is_there_is_opened_without_a_lock_file(workspace):
    open_store()
    shutil.rmtree(workspace / ".cache")
    open_store()
    assert not (workspace / ".cache").exists()


def test_opening_again_finds_the_same_experiment_even_after_it_was_deleted(workspace):
    first = open_store()
    first.client.delete_experiment(first.experiment_id)
    second = open_store()
    assert second.experiment_id == first.experiment_id
    assert second.client.get_experiment(second.experiment_id).lifecycle_stage == "active"


def test_an_experiment_that_another_machine_creates_meanwhile_is_used(workspace, monkeypatch):
    look, looks, made = MlflowClient.get_experiment_by_name, [], []

    def look_just_before_the_other(client: MlflowClient, name: str) -> Experiment | None:
        looks.append(look(client, name))
        if len(looks) == 2:  # under the lock, which holds back no other machine
            made.append(client.create_experiment(name))
        return looks[-1]

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", look_just_before_the_other)
    assert [open_store().experiment_id] == made


@pytest.mark.parametrize("name", ["a%2Fb", "a b", "ä", "a#b", "a?b"])
def test_the_folder_may_have_any_name(workspace, monkeypatch, name):
    root = workspace / name
    root.mkdir()
    make_workspace(root, monkeypatch)
    store = open_store()
    run = store.client.create_run(store.experiment_id)
    store.client.log_text(run.info.run_id, "kept", "note.txt")
    assert [file.read_text() for file in root.rglob("note.txt")] == ["kept"]
    assert list_versions() == []


def test_a_store_and_an_experiment_can_be_named_relative_to_the_repository(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///own/runs.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "trial")
    copy = workspace / ".dvc/tmp/exps/copy"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    store = open_store()
    experiment = store.client.get_experiment(store.experiment_id)
    assert (workspace / "own/runs.db").is_file()
    assert store.uri == f"sqlite:///{workspace}/own/runs.db"
    assert experiment.name == "trial"
    assert experiment.artifact_location == (workspace / "own/mlartifacts").as_uri()


def test_a_server_that_is_down_is_named_without_its_password(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:pass@word@127.0.0.1:9")
    with pytest.raises(UserError) as caught:
        open_store()
    message = printable(caught.value)
    assert "http://127.0.0.1:9 failed: no connection: " in message
    assert "Connection refused" in message
    assert "pass" not in message


def test_a_missing_database_driver_is_named_with_its_remedy(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mssql://me:secret@127.0.0.1/mlflow")
    with pytest.raises(UserError, match=r"needs the package pyodbc: make .venv/installed"):
        open_store()


def test_a_broken_database_is_an_error_that_names_it(workspace):
    (workspace / "mlflow.db").write_text("not a database, " * 100)
    with pytest.raises(UserError, match=r"mlflow\.db"):
        open_store()
