"""Two processes train one model: in one run, with one checkpoint, as well as one alone does."""

import os
import re
from pathlib import Path

import pandas as pd
import pytest
from tiny_pets import write_params
from training import PLAIN, TIMEOUT, TORCHRUN, outputs, runs, states, train, train_here, training

from pipeline.model.checkpoint import checkpoint_digest

TRAIN = {"epochs": 5, "batch_size": 8, "lr": 0.01, "precision": "fp32"}


def params(workspace, processes=1, **changes):
    write_params(workspace, train=TRAIN | {"processes": processes, "threads": processes} | changes)


def test_torchrun_and_the_param_start_the_same_training_which_is_that_of_one_process(tiny_pets):
    params(tiny_pets)
    train_here()
    (alone,) = runs(tiny_pets)
    loss = alone.data.metrics["train.loss"]
    assert loss < 0.8 * pd.read_csv("plots/curves.csv")["train_loss"][0]

    made = []
    for start, processes in ((TORCHRUN, 1), (PLAIN, 2)):
        params(tiny_pets, processes)
        for file in outputs(tiny_pets):
            (tiny_pets / file).unlink()
        train(tiny_pets, start)
        made.append(outputs(tiny_pets))
        newest, *earlier = runs(tiny_pets)
        assert len(earlier) == len(made)
        assert newest.info.status == "FINISHED"
        assert newest.data.tags["processes"] == "2"
        assert newest.data.tags["checkpoint.sha256"] == checkpoint_digest(tiny_pets / "models")
        assert newest.data.metrics["train.loss"] == pytest.approx(loss, rel=0.03)
        assert {path.name for path in Path("models").iterdir()} == {"checkpoint.pth", "config.json"}
        assert states(tiny_pets) == []
    assert made[0] == made[1]


def test_a_loss_that_explodes_ends_both_processes_with_a_message_and_the_run_as_failed(tiny_pets):
    params(tiny_pets, processes=2, lr=1e30, warmup_fraction=0.0)
    with training(tiny_pets) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(
        r"^error: epoch \d/5: the (training|validation) loss .* lower train\.lr", output, re.M
    )
    assert "Traceback" not in output
    assert [run.info.status for run in runs(tiny_pets)] == ["FAILED"]


def test_two_processes_pause_together_and_continue_together(tiny_pets, monkeypatch):
    params(tiny_pets, processes=2)
    monkeypatch.setenv("PETSEG_PAUSE_AFTER", "2")
    with training(tiny_pets) as process:
        output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == os.EX_TEMPFAIL, output
    assert len(states(tiny_pets)) == 1
    monkeypatch.delenv("PETSEG_PAUSE_AFTER")
    train(tiny_pets)
    (run,) = runs(tiny_pets)
    assert run.info.status == "FINISHED"
    assert states(tiny_pets) == []
