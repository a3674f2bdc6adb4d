"""A search that is killed twice, in part and whole, and run to its end trains no epoch twice."""

import os
import signal
import subprocess

import pytest
from processes import kill_all, wait_until

from pipeline.core.files import file_digest

pytestmark = pytest.mark.nightly

EPOCHS = 5
PLAN = f"""
set: {{train.epochs: {EPOCHS}, train.threads: 1}}
search:
  space:
    train.lr: {{low: 0.0005, high: 0.02, log: true}}
    train.dice_weight: {{low: 0.0, high: 2.0}}
  trials: 4
  rungs: [1, 3]
"""
SEARCH = "python -m tools.sweep halving.yaml --workers 2"


@pytest.fixture(scope="module")
def searched(clone):
    """What the search prints that ends, after one was killed alone, and one with all it started."""
    (clone.root / "halving.yaml").write_text(PLAN)
    for kill, logged in ((kill_alone, 1), (kill_all, 3)):
        process = subprocess.Popen(
            ["bash", "-c", f"exec {SEARCH}"], cwd=clone.root, env=clone.environment
        )
        wait_until(lambda logged=logged: sum(map(len, epochs(clone).values())) >= logged)
        kill(process.pid)
        process.wait()
    return clone.run(SEARCH)


def kill_alone(pid):
    os.kill(pid, signal.SIGKILL)  # its experiments are groups of their own, and go on


def search_runs(clone):
    found = [run for run in clone.runs() if "dvc.exp_name" in run.data.tags]
    return [run for run in found if run.data.tags["dvc.exp_name"].startswith("halving-")]


def epochs(clone):
    """The steps that each run of the search has logged."""
    return {
        run.data.tags["dvc.exp_name"]: [
            point.step for point in clone.client.get_metric_history(run.info.run_id, "val.miou")
        ]
        for run in search_runs(clone)
    }


def test_every_epoch_of_every_trial_was_trained_once_in_one_run(clone, searched):
    assert len(search_runs(clone)) == len(epochs(clone)) == 4
    assert all(steps == [*range(1, len(steps) + 1)] for steps in epochs(clone).values())
    lengths = sorted(map(len, epochs(clone).values()))
    assert set(lengths) <= {1, 3, EPOCHS}
    assert lengths[-1] == EPOCHS
    assert f"{sum(lengths)} epochs were trained; in full it would be {4 * EPOCHS}." in searched
    statuses = {run.info.status for run in search_runs(clone)}
    assert statuses == {"FINISHED", "KILLED"}

    clone.run(SEARCH)  # there is nothing left to do
    assert sorted(map(len, epochs(clone).values())) == lengths


def test_the_best_trial_has_the_bytes_of_a_training_that_was_never_paused(clone, searched):
    best = max(epochs(clone), key=lambda name: len(epochs(clone)[name]))
    clone.run(f"dvc exp apply {best}")
    paused = file_digest(clone.root / "models/checkpoint.pth")
    clone.run("rm models/checkpoint.pth && dvc repro --force --no-run-cache --single-item train")
    assert file_digest(clone.root / "models/checkpoint.pth") == paused
    clone.run("git checkout --quiet . && dvc checkout --quiet")


def test_a_paused_trial_continues_by_hand_as_the_ranking_says(clone, searched):
    (command,) = [line for line in searched.splitlines() if "dvc exp run" in line]
    name = command.split("--name ")[1].split()[0]
    before = epochs(clone)[name]
    output = clone.run(command)
    assert f"epoch {before[-1]}/{EPOCHS}" not in output
    assert epochs(clone)[name] == [*range(1, EPOCHS + 1)]
    assert name in clone.run("dvc exp list --name-only")
