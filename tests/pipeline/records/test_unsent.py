from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from mlflow_workspace import leave_unsent

from pipeline.records.store import Store, open_store
from pipeline.records.unsent import Outbox, deliver, send_unsent, stores_with_unsent


@pytest.fixture
def store(workspace: Path) -> Store:
    return open_store()


@pytest.fixture
def run_id(store: Store) -> str:
    return store.client.create_run(store.experiment_id).info.run_id


@pytest.fixture
def leave(store: Store, run_id: str, workspace: Path) -> Callable[..., Path]:
    """Write the file that a command leaves whose server died."""
    return partial(leave_unsent, workspace, store.uri, run_id)


def loss(step: int) -> dict:
    return {"time": 1000 + step, "metric": "loss", "value": 1 / (step + 1), "step": step}


def test_the_outbox_reaches_the_store_and_leaves_no_file(store, run_id, workspace):
    outbox = Outbox(store, run_id)
    for step in range(250):
        outbox.put(metric="loss", value=float(step), step=step, time=1000 + step)
    outbox.put(tag="color", value="green")
    outbox.put(tag="color", value="blue")
    outbox.put(status="FINISHED", time=5000)
    assert outbox.close()
    run = store.client.get_run(run_id)
    history = store.client.get_metric_history(run_id, "loss")
    assert [(each.step, each.value) for each in history] == [(n, float(n)) for n in range(250)]
    assert (run.data.tags["color"], run.info.status) == ("blue", "FINISHED")
    assert not list((workspace / "mlartifacts/unsent").iterdir())


def test_leftovers_are_sent_with_their_times_and_the_file_is_removed(store, run_id, leave):
    end = {"time": 5000, "status": "FINISHED"}
    tag = {"time": 4000, "tag": "checkpoint.sha256", "value": "abc"}
    file = leave(*[loss(step) for step in range(150)], tag, end)
    assert stores_with_unsent() == [store.uri]
    assert send_unsent(store) == 1
    run = store.client.get_run(run_id)
    history = store.client.get_metric_history(run_id, "loss")
    assert [(each.step, each.timestamp) for each in history] == [(n, 1000 + n) for n in range(150)]
    assert run.data.tags["checkpoint.sha256"] == "abc"
    assert (run.info.status, run.info.end_time) == ("FINISHED", 5000)
    assert not file.exists()
    assert stores_with_unsent() == []


def test_what_waits_for_the_repositorys_own_store_moves_with_it(store, run_id, workspace):
    outbox = Outbox(store, run_id)
    [file] = (workspace / "mlartifacts/unsent").iterdir()
    assert str(workspace) not in file.read_text()
    outbox._file.close()  # as at the end of its process
    assert stores_with_unsent() == [store.uri]
    assert send_unsent(store) == 1


def test_what_has_arrived_is_not_sent_twice(store, run_id, leave):
    deliver(store.client, run_id, [loss(0), loss(1)])
    leave(loss(0), loss(1), loss(2), {"time": 9, "status": "FAILED"})
    send_unsent(store)
    history = store.client.get_metric_history(run_id, "loss")
    assert [each.step for each in history] == [0, 1, 2]


def test_what_a_killed_training_left_does_not_reopen_a_run_that_has_ended_since(
    store, run_id, leave
):
    store.client.set_terminated(run_id, "FINISHED", 9000)
    tag = {"time": 4000, "tag": "training.paused_after", "value": "1"}
    leave(loss(0), tag, {"time": 5000, "status": "KILLED"})
    assert send_unsent(store) == 1
    run = store.client.get_run(run_id)
    assert (run.info.status, run.info.end_time) == ("FINISHED", 9000)
    assert "training.paused_after" not in run.data.tags
    assert len(store.client.get_metric_history(run_id, "loss")) == 1


def test_a_process_that_died_within_a_line_leaves_a_failed_run(store, run_id, leave):
    leave(loss(0), loss(1), end="")
    assert send_unsent(store) == 1
    assert [each.step for each in store.client.get_metric_history(run_id, "loss")] == [0]
    assert store.client.get_run(run_id).info.status == "FAILED"


def test_the_file_of_a_running_command_stays(store, run_id, workspace):
    outbox = Outbox(store, run_id)
    assert send_unsent(store) == 0
    assert len(list((workspace / "mlartifacts/unsent").glob("*.jsonl"))) == 1
    assert outbox.close()
    assert store.client.get_run(run_id).info.status == "RUNNING"


def test_the_file_of_a_deleted_run_is_set_aside_and_not_retried(store, run_id, leave):
    store.client.delete_run(run_id)
    file = leave(loss(0))
    assert send_unsent(store) == 0
    assert not file.exists()
    assert file.with_suffix(".refused").exists()
    assert stores_with_unsent() == []


def test_lines_that_are_no_entries_are_set_aside_and_the_others_sent(store, run_id, leave, capsys):
    file = leave(loss(0), {"metric": "loss"}, ["loss"], "[/b]", loss(1))
    file.write_bytes(file.read_bytes() + b"\xff\xfe{\n")
    lost = file.with_name("lost-1.jsonl")
    lost.write_text("no store\n")
    assert send_unsent(store) == 1
    assert [each.step for each in store.client.get_metric_history(run_id, "loss")] == [0, 1]
    assert len(file.with_suffix(".garbage").read_bytes().splitlines()) == 4
    assert lost.with_suffix(".garbage").read_text() == "no store\n"
    assert not list(file.parent.glob("*.jsonl"))
    assert "lost-1.garbage" in capsys.readouterr().out.replace("\n", "")
