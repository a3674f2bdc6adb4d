import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow_workspace import leave_unsent
from processes import call

from pipeline.records.store import open_store
from pipeline.records.unsent import send_unsent
from tools import sync

METRIC = {"time": 1, "metric": "loss", "value": 0.5, "step": 1}


def test_what_another_store_refused_is_tried_again(workspace, capsys):
    """Such as a server that was started on an empty database: it knows no such run."""
    store, other = open_store(), open_store(f"sqlite:///{workspace}/other.db")
    run = store.client.create_run(store.experiment_id).info.run_id
    file = leave_unsent(workspace, store.uri, run, METRIC)
    assert send_unsent(replace(other, uri=store.uri)) == 0
    assert not file.exists()
    assert send_unsent(store) == 0, "a stage does not try again"
    assert call(sync) == 0
    assert open_store().client.get_run(run).data.metrics == {"loss": 0.5}
    assert not list(file.parent.iterdir())


def test_what_waits_for_one_store_is_sent_whatever_experiment_is_set_for_another(
    workspace, monkeypatch
):
    store = open_store()
    run = store.client.create_run(store.experiment_id).info.run_id
    leave_unsent(workspace, store.uri, run, METRIC)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "7")
    assert call(sync) == 0
    assert store.client.get_run(run).data.metrics == {"loss": 0.5}


def test_sync_sends_to_each_store_what_waits_for_it(workspace, capsys):
    store = open_store()
    shutil.copy("mlflow.db", "other.db")
    other = open_store(f"sqlite:///{workspace}/other.db")
    runs = [(each, each.client.create_run(each.experiment_id)) for each in (store, other)]
    for each, run in runs:
        leave_unsent(workspace, each.uri, run.info.run_id, METRIC)
    assert call(sync) == 0
    for each, run in runs:
        assert each.client.get_run(run.info.run_id).data.metrics == {"loss": 0.5}
    assert call(sync) == 0
    assert "Nothing waits" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("sqlite:////gone/mlflow.db", "sqlite:////gone/mlflow.db is gone"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9 failed: no connection"),
    ],
)
def test_what_a_store_still_does_not_take_is_kept(workspace, capsys, store, said):
    file = leave_unsent(workspace, store, "0123", METRIC)
    assert call(sync) == 1
    assert said in capsys.readouterr().out
    assert file.exists()
    assert not Path("/gone").exists()
