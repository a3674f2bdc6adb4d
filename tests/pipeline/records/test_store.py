import pytest
from mlflow import MlflowClient
from mlflow.entities import Experiment

from pipeline.core.terminal import UserError
from pipeline.records.store import EXPERIMENT, open_store


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


def test_opening_again_finds_the_same_experiment_even_after_it_was_deleted(workspace):
    first = open_store()
    first.client.delete_experiment(first.experiment_id)
    second = open_store()
    assert second.experiment_id == first.experiment_id
    assert second.client.get_experiment(second.experiment_id).lifecycle_stage == "active"


def test_the_environment_names_another_store_and_experiment(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace}/elsewhere/runs.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "trial")
    store = open_store()
    experiment = store.client.get_experiment(store.experiment_id)
    assert (workspace / "elsewhere/runs.db").is_file()
    assert experiment.name == "trial"
    assert experiment.artifact_location == (workspace / "elsewhere/mlartifacts").as_uri()


def test_an_experiment_that_another_machine_creates_meanwhile_is_used(workspace, monkeypatch):
    look, made = MlflowClient.get_experiment_by_name, []

    def look_just_before_the_other(client: MlflowClient, name: str) -> Experiment | None:
        found = look(client, name)
        if found is None:
            made.append(client.create_experiment(name))
        return found

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", look_just_before_the_other)
    assert [open_store().experiment_id] == made


def test_a_server_that_is_down_is_an_error_that_names_it(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9 does not answer.*start it"):
        open_store()


def test_a_broken_database_is_an_error_that_names_it(workspace):
    (workspace / "mlflow.db").write_text("not a database, " * 100)
    with pytest.raises(UserError, match=r"mlflow\.db"):
        open_store()
