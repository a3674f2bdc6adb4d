import shutil
import sys
from pathlib import Path

import pytest
from mlflow_workspace import leave_unsent, make_workspace

from pipeline.records.store import open_store
from tools.sync import main

METRIC = {"time": 1, "metric": "loss", "value": 0.5, "step": 1}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "argv", ["sync"])
    return make_workspace(tmp_path, monkeypatch)


def test_sync_sends_to_each_store_what_waits_for_it(workspace, capsys):
    store = open_store()
    shutil.copy("mlflow.db", "other.db")
    other = open_store(f"sqlite:///{workspace}/other.db")
    runs = [(each, each.client.create_run(each.experiment_id)) for each in (store, other)]
    for each, run in runs:
        leave_unsent(workspace, each.uri, run.info.run_id, METRIC)
    assert main() == 0
    for each, run in runs:
        assert each.client.get_run(run.info.run_id).data.metrics == {"loss": 0.5}
    assert main() == 0
    assert "Nothing waits" in capsys.readouterr().out


def test_what_waits_for_a_database_that_is_gone_is_kept_and_makes_none(workspace, capsys):
    file = leave_unsent(workspace, f"sqlite:///{workspace}/gone/mlflow.db", "0123", METRIC)
    assert main() == 1
    assert "is gone" in capsys.readouterr().out.replace("\n", " ")
    assert file.exists()
    assert not (workspace / "gone").exists()


def test_what_a_server_still_does_not_take_is_kept(workspace, capsys):
    file = leave_unsent(workspace, "http://127.0.0.1:9", "0123", METRIC)
    assert main() == 1
    assert "http://127.0.0.1:9 failed: no connection" in capsys.readouterr().out.replace("\n", " ")
    assert file.exists()
