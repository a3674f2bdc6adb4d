import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from alembic import command
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.store.db.utils import _get_alembic_config
from mlflow_workspace import make_workspace
from processes import REPOSITORY, run_python
from sqlalchemy import create_engine

from pipeline.core.terminal import UserError, printable
from pipeline.records.runs import training_run
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
    assert "`make ui`" in experiment.tags["mlflow.note.content"]


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


def test_the_environment_may_lie_in_such_a_folder_too(workspace):
    packages = workspace / "a%2Fb"
    packages.mkdir()
    (packages / "mlflow").symlink_to(Path(mlflow.__file__).parent)
    (workspace / "mlflow.db").unlink()  # the tables are made, and then looked at
    program = "from pipeline.records.store import open_store; print(open_store().experiment_id)"
    for _ in range(2):
        done = run_python("-c", program, cwd=workspace, PYTHONPATH=f"{packages}:{REPOSITORY}")
        assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr


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


def test_variables_of_another_project_are_used_or_do_no_harm(workspace, monkeypatch):
    client = open_store().client
    own = client.create_experiment("of another project")
    other = client.create_run(own).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", other)
    with training_run(Path("data/pairs"), {"train": {"lr": 1}}, {}, "id") as run:
        assert run.store.experiment_id != own
        assert run.run_id != other
    assert client.get_run(other).data.params == {}
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", own)
    assert open_store().experiment_id == own
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "77")
    with pytest.raises(UserError, match="77"):
        open_store()
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    assert open_store().experiment_id == run.store.experiment_id


def test_the_database_of_an_older_mlflow_is_upgraded_with_its_runs(workspace):
    store = open_store()
    run = store.client.create_run(store.experiment_id).info.run_id
    config = _get_alembic_config(store.uri)
    with create_engine(store.uri).begin() as config.attributes["connection"]:
        command.downgrade(config, "-1")
    assert open_store().client.get_run(run).info.run_id == run


def test_the_database_of_a_newer_mlflow_is_told_with_a_remedy_that_works(workspace):
    with closing(sqlite3.connect("mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'from the future'")
    with pytest.raises(UserError, match=r"mlflow\.db failed: .*newer MLflow.* move it away"):
        list_versions()
    Path("mlflow.db").rename("newer.db")
    assert list_versions() == []


def test_a_server_that_is_down_is_named_without_its_password(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:pass@word@127.0.0.1:9")
    with pytest.raises(UserError) as caught:
        open_store()
    message = printable(caught.value)
    assert "http://127.0.0.1:9 failed: no connection: " in message
    assert "Connection refused" in message
    assert "pass" not in message


def test_a_database_that_cannot_be_opened_is_told_within_half_a_minute(workspace, monkeypatch):
    waited: list[float] = []
    monkeypatch.setattr("mlflow.store.db.utils.time.sleep", waited.append)
    (workspace / "folder").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///folder")
    with pytest.raises(UserError, match="unable to open database file"):
        open_store()
    assert 0 < sum(waited) < 30


def test_a_missing_database_driver_is_named_with_its_remedy(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mssql://me:secret@127.0.0.1/mlflow")
    with pytest.raises(UserError, match=r"needs the package pyodbc: make .venv/installed"):
        open_store()


def test_a_broken_database_is_an_error_that_names_it(workspace):
    (workspace / "mlflow.db").write_text("not a database, " * 100)
    with pytest.raises(UserError, match=r"mlflow\.db"):
        open_store()
