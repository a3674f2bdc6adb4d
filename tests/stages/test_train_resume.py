"""A training that is killed goes on where it was, and ends as if nothing had happened."""

import os
import shutil
import time

import pandas as pd
import pytest
import torch
from tiny_pets import write_params, write_tiny_pets
from training import client, finish, outputs, read_epochs, runs, states, train, train_here, training

from pipeline.core.terminal import UserError

EPOCHS = 6
SLOW = {"image_size": 224, "batch_size": 2, "epochs": EPOCHS}  # some tenths of a second an epoch


def copy_of(workspace):
    """Another workspace with the same data set and params, and a store as empty."""
    copy = workspace / "copy"
    write_tiny_pets(copy)
    for name in ("params.yaml", "mlflow.db"):
        shutil.copy(workspace / name, copy)
    return copy


def kill_after(workspace, epochs):
    """Kill a training that has opened its run and finished so many epochs; return those it kept."""
    with training(workspace) as process:
        while not list(workspace.glob("mlartifacts/unsent/*.jsonl")):
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.005)
        read_epochs(process, epochs)  # the block's end kills it
    (state,) = states(workspace)
    if not (state / "state.pth").exists():
        return 0
    return len(torch.load(state / "state.pth", weights_only=True)["rows"])


def test_a_training_killed_thrice_ends_as_one_that_was_not_in_one_run(tiny_pets):
    write_params(tiny_pets, model={"features": [8, 16]}, train=SLOW)
    copy = copy_of(tiny_pets)
    with training(copy) as whole:
        assert kill_after(tiny_pets, 0) == 0
        first = kill_after(tiny_pets, 1)
        assert 1 <= first < 3
        second = kill_after(tiny_pets, 3)
        assert 3 <= second < EPOCHS
        output = train(tiny_pets)
        finish(whole)
    trained = [n for n in range(1, EPOCHS + 1) if f"epoch {n}/{EPOCHS}" in output]
    assert trained == list(range(second + 1, EPOCHS + 1))
    assert outputs(tiny_pets) == outputs(copy)
    assert states(tiny_pets) == []

    (run,) = runs(tiny_pets)
    assert run.info.status == "FINISHED"
    curves = pd.read_csv(tiny_pets / "plots/curves.csv")
    for name in ("train.loss", "train.lr", "val.loss", "val.miou", "val.iou.pet"):
        points = client(tiny_pets).get_metric_history(run.info.run_id, name)
        values = dict(zip(curves["epoch"], curves[name.replace(".", "_")], strict=True))
        assert [point.step for point in sorted(points, key=lambda each: each.step)] == [*values]
        assert {point.step: point.value for point in points} == pytest.approx(values)


def pause_after(monkeypatch, epochs):
    """Train until the pause, in this process."""
    monkeypatch.setenv("PETSEG_PAUSE_AFTER", str(epochs))
    with pytest.raises(SystemExit) as ended:
        train_here()
    assert ended.value.code == os.EX_TEMPFAIL


def test_a_training_paused_twice_ends_as_one_that_was_not_in_one_run(
    tiny_pets, monkeypatch, capsys
):
    write_params(tiny_pets, train={"epochs": 4})
    train_here()
    whole = outputs(tiny_pets)
    capsys.readouterr()
    trained = []
    for epochs in (1, 3, 2):  # the last is behind already: nothing is trained
        monkeypatch.setenv("DVC_EXP_NAME", f"experiment-{epochs}")
        pause_after(monkeypatch, epochs)
        trained.append(capsys.readouterr().out.count("validation loss"))
        run, _ = runs(tiny_pets)
        assert run.info.status == "KILLED"
        assert run.data.tags["dvc.exp_name"] == f"experiment-{epochs}"
        assert run.data.tags["training.paused_after"] == str(max(epochs, trained[-1]))
        assert len(states(tiny_pets)) == 1
    assert trained == [1, 3, 3]  # rows that were kept are printed again
    monkeypatch.delenv("PETSEG_PAUSE_AFTER")
    train_here()
    run, _ = runs(tiny_pets)
    assert run.info.status == "FINISHED"
    assert "training.paused_after" not in run.data.tags
    points = client(tiny_pets).get_metric_history(run.info.run_id, "val.miou")
    assert [point.step for point in points] == [1, 2, 3, 4]
    assert outputs(tiny_pets) == whole


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "soon", ""])
def test_a_pause_that_is_no_number_of_epochs_is_refused(tiny_pets, monkeypatch, text):
    monkeypatch.setenv("PETSEG_PAUSE_AFTER", text)
    with pytest.raises(UserError, match=f"PETSEG_PAUSE_AFTER={text}: expected a number of epochs"):
        train_here()


def test_a_training_that_explodes_in_its_very_last_step_is_not_taken_for_good(tiny_pets):
    # One epoch of one step: the training loss is that before it, only validation sees the ruin.
    exploding = {"lr": 1e30, "warmup_fraction": 0.0, "epochs": 1, "batch_size": 8}
    write_params(tiny_pets, train=exploding)
    with pytest.raises(UserError, match=r"epoch 1/1: .* lower train\.lr"):
        train_here()
    assert [run.info.status for run in runs(tiny_pets)] == ["FAILED"]
    assert not (tiny_pets / "models/checkpoint.pth").exists()
