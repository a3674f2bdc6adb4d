import signal
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from mlflow.entities import Run as StoredRun
from mlflow_workspace import commit, git
from servers import mlflow_server
from tiny_models import write_onnx

from pipeline.records.registry import register_model
from pipeline.records.runs import checkpoint_run, fetch_table, run_page, training_run
from pipeline.records.store import open_store
from pipeline.records.unsent import send_unsent
from pipeline.records.versions import list_versions

DATA = Path("data/pairs")
PARAMS = {"seed": 0, "train": {"lr": 0.001, "epochs": 2}, "model": {"features": [8, 16]}}
COUNTS = {"train": 3, "val": 1}

LOCK = """
stages:
  download: {params: {params.yaml: {download.dataset: sample}}}
  extract: {outs: [{path: data/pairs, md5: 0123456789abcdef0123456789abcdef.dir}]}
  train: {params: {params.yaml: {train: {lr: 0.5}}}}
"""


def stored(run_id: str) -> StoredRun:
    return open_store().client.get_run(run_id)


def train(checkpoint: str) -> str:
    with training_run(DATA, PARAMS, COUNTS, uuid4().hex) as run:
        run.log_metrics({"train": {"loss": 0.5}}, step=1)
        run.finish(checkpoint)
    return run.run_id


def test_a_training_leaves_one_finished_run_that_describes_it(workspace):
    Path("dvc.lock").write_text(LOCK)
    Path("params.yaml").write_text("seed: 0\n")
    plots = workspace / "plots"
    plots.mkdir()
    (plots / "curves.csv").write_text("epoch\n")
    with training_run(DATA, PARAMS, COUNTS, uuid4().hex) as run:
        for epoch in (1, 2):
            measured = {"loss": np.float32(1 / epoch), "best": True, "classes": ["pet"]}
            run.log_metrics({"train": measured, "val": {"iou": {"pet": 0.25}}}, step=epoch)
        run.log_artifact(plots, "plots/train")
        run.finish("abc")
    kept = stored(run.run_id)
    assert kept.info.status == "FINISHED"
    assert kept.data.params == {
        "download.dataset": "sample",
        "seed": "0",
        "train.lr": "0.001",
        "train.epochs": "2",
        "model.features": "[8, 16]",
    }
    assert kept.data.metrics["train.loss"] == 0.5
    assert kept.data.metrics["val.iou.pet"] == 0.25
    assert not {"train.best", "train.classes"} & kept.data.metrics.keys()
    assert kept.data.tags["checkpoint.sha256"] == "abc"
    assert kept.data.tags["data.name"] == "sample"
    [data] = kept.inputs.dataset_inputs
    digest = "0123456789abcdef0123456789abcdef.dir"
    assert (data.dataset.name, data.dataset.digest) == ("sample", digest)
    artifacts = workspace / "mlartifacts" / run.run_id / "artifacts"
    assert sorted(str(path.relative_to(artifacts)) for path in artifacts.rglob("*.*")) == [
        "lineage/dvc.lock",
        "lineage/environment.json",
        "lineage/params.yaml",
        "lineage/sources.json",
        "plots/train/curves.csv",
    ]


def test_a_runs_name_says_what_changed_since_the_commit(workspace, monkeypatch):
    Path("params.yaml").write_text("train: {lr: 0.001, epochs: 2}\ngate: {seed: 0}\n")
    commit(workspace)
    plain = stored(train("abc")).info.run_name
    assert plain == git(workspace, "rev-parse", "HEAD")[:7]
    Path("params.yaml").write_text("train: {lr: 0.5, epochs: 2}\ngate: {seed: 1}\n")
    changed = stored(train("def"))
    assert changed.info.run_name == f"train.lr=0.5 {plain}"
    assert changed.data.tags["params.changed"] == "train.lr=0.5"
    monkeypatch.setenv("DVC_EXP_NAME", "try1")
    assert stored(train("ghi")).info.run_name == "try1 train.lr=0.5"


def test_a_run_is_seen_at_its_server_or_with_the_command_that_serves_its_database(workspace):
    store = open_store()
    page = f"#/experiments/{store.experiment_id}/runs/0123"
    local = f"then http://127.0.0.1:5000/{page}"
    assert run_page(store, "0123") == f"`make ui`, {local}"
    other = replace(store, uri="sqlite:///a b.db")
    assert run_page(other, "0123") == f"`mlflow ui --backend-store-uri 'sqlite:///a b.db'`, {local}"
    assert run_page(replace(store, uri="http://me:pw@host/"), "0123") == f"http://host/{page}"


def test_system_metrics_are_in_the_run_of_the_training(workspace, monkeypatch):
    monkeypatch.setattr("pipeline.records.runs.SYSTEM_METRICS_INTERVAL", 0.05)
    with training_run(DATA, PARAMS, COUNTS, uuid4().hex) as run:
        time.sleep(0.3)
    assert "system/cpu_utilization_percentage" in stored(run.run_id).data.metrics


def test_a_killed_stage_logs_the_rest_and_nothing_twice(workspace):
    train("abc")
    for scores in ({"miou": 0.5}, {"miou": 0.5, "dice": 0.25}, {"miou": 0.25}, {"miou": 0.5}):
        with checkpoint_run("abc", DATA) as run:
            run.log_metrics({"test": scores})
    history = run.store.client.get_metric_history(run.run_id, "test.miou")
    assert [point.value for point in history] == [0.5, 0.25, 0.5]
    assert len(run.store.client.get_metric_history(run.run_id, "test.dice")) == 1


@pytest.mark.parametrize(
    ("failure", "status"),
    [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")],
)
def test_a_run_says_how_its_training_ended(workspace, failure, status):
    seen = []

    def fail() -> None:
        with training_run(DATA, PARAMS, COUNTS, uuid4().hex) as run:
            seen.append(run.run_id)
            run.log_metrics({"train": {"loss": 0.5}}, step=1)
            raise failure

    with pytest.raises(failure):
        fail()
    kept = stored(seen[0])
    assert (kept.info.status, kept.data.metrics["train.loss"]) == (status, 0.5)


def test_later_stages_add_to_the_newest_run_of_their_checkpoint(workspace):
    train("abc")
    newest = train("abc")
    train("def")
    ended = stored(newest).info.end_time
    for miou in (0.25, 0.75):
        with checkpoint_run("abc", DATA) as run:
            assert stored(run.run_id).info.status == "RUNNING"
            run.set_tags({"evaluate": {"batch_size": 8}})
            run.log_metrics({"test": {"miou": miou}})
    kept = stored(newest)
    assert run.run_id == newest
    assert kept.data.metrics["test.miou"] == 0.75, "the newest wins"
    assert kept.data.metrics["train.loss"] == 0.5
    assert kept.data.tags["evaluate.batch_size"] == "8"
    assert (kept.info.status, kept.info.end_time) == ("FINISHED", ended)
    assert "restored" not in kept.data.tags


def test_a_checkpoint_from_a_cache_gets_one_run_that_says_so(workspace):
    Path("dvc.lock").write_text(LOCK)
    runs = set()
    for _ in range(2):
        with checkpoint_run("abc", DATA) as run:
            runs.add(run.run_id)
    assert len(runs) == 1
    kept = stored(run.run_id)
    assert kept.data.tags["restored"] == "true"
    assert kept.data.params == {"download.dataset": "sample", "train.lr": "0.5"}
    assert kept.info.status == "FINISHED"


def test_a_server_that_hangs_gets_every_metric_later(workspace, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # seconds; 10 by default
    plots = workspace / "plots"
    plots.mkdir()
    (plots / "curves.csv").write_text("epoch\n")

    with mlflow_server(workspace) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        with training_run(DATA, PARAMS, COUNTS, uuid4().hex) as run:
            run.log_metrics({"train": {"loss": 1}}, step=0)
            server.signal(signal.SIGSTOP)
            for step in range(1, 1000):
                run.log_metrics({"train": {"loss": 1 / step}}, step=step)
            run.log_artifact(plots, "plots")
            run.finish("abc")
        output = capsys.readouterr().out
        assert "was not copied" in output
        assert "make sync" in output

        server.signal(signal.SIGCONT)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        store = open_store()
        assert send_unsent(store) == 1
        history = store.client.get_metric_history(run.run_id, "train.loss")
        assert [each.step for each in history] == list(range(1000))
        kept = store.client.get_run(run.run_id)
        assert kept.data.tags["checkpoint.sha256"] == "abc"
        assert kept.info.status == "FINISHED"

        with checkpoint_run("abc", DATA) as again:
            number = register_model(again, write_onnx(workspace / "model.onnx"), {})
        assert again.run_id == run.run_id
        assert [each.number for each in list_versions(store.uri)] == [number]


def test_a_run_killed_at_its_start_is_described_by_the_next_process(workspace):
    store = open_store()
    begun = store.client.create_run(store.experiment_id, tags={"training.id": "the-training"})
    with training_run(DATA, PARAMS, COUNTS, "the-training") as run:
        assert run.run_id == begun.info.run_id
    kept = stored(run.run_id)
    assert kept.data.params["train.lr"] == "0.001"
    assert len(kept.inputs.dataset_inputs) == 1
    artifacts = workspace / "mlartifacts" / run.run_id / "artifacts/lineage"
    assert {"environment.json", "sources.json"} <= {path.name for path in artifacts.iterdir()}


def test_a_table_comes_from_the_versions_run(workspace):
    Path("tables").mkdir()
    Path("tables/per_image.csv").write_text("name\nBengal_1\n")
    with checkpoint_run("abc", DATA) as run:
        run.log_artifact(Path("tables"), "tables")
        register_model(run, write_onnx(Path("model.onnx")), {})
    [version], store = list_versions(), open_store()
    file = fetch_table(store, version.run_id, "per_image.csv", workspace)
    assert file.read_text() == "name\nBengal_1\n"
    assert fetch_table(store, version.run_id, "by_breed.csv", workspace) is None
    empty = store.client.create_run(store.experiment_id).info.run_id
    for run_id in (empty, "0" * 32, "unknown"):
        assert fetch_table(store, run_id, "per_image.csv", workspace) is None
