"""DVC experiments, of every kind, land in one store: each with a finished run and its artifacts."""

import json
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

pytestmark = pytest.mark.slow

RATES = (0.001, 0.004, 0.004)  # two of the queue are the same


@pytest.fixture(scope="module")
def experiments(clone):
    """One experiment in the workspace, one in a copy, three by two workers; what DVC knows."""
    clone.run("dvc repro && git add --all && git commit --quiet --allow-empty --message baseline")
    clone.run("dvc exp run --name in-workspace --set-param train.epochs=2")
    clone.run("git checkout --quiet . && dvc checkout --quiet")
    clone.run("dvc exp run --temp --name in-copy --set-param train.lr=0.0015")
    for number, rate in enumerate(RATES):
        clone.run(f"dvc exp run --queue --name queued-{number} --set-param train.lr={rate}")
    clone.run("dvc queue start --jobs 2")
    clone.run("dvc queue logs queued-0 --follow > /dev/null; while dvc queue status | grep -qE "
              "'Running|Queued'; do sleep 2; done")  # fmt: skip
    return clone.run("dvc queue status"), json.loads(clone.run("dvc exp show --json"))


def rows(shown):
    """Metrics and outputs by experiment name, from `dvc exp show --json`."""
    return {
        experiment["name"]: experiment["revs"][0]["data"]
        for revision in shown
        for experiment in revision["experiments"] or []
    }


def test_every_experiment_succeeded(experiments):
    status, shown = experiments
    assert "Failed" not in status
    assert set(rows(shown)) == {
        "in-workspace",
        "in-copy",
        *(f"queued-{n}" for n in range(len(RATES))),
    }


def test_every_experiment_resolves_to_exactly_one_finished_run(clone, experiments):
    _, shown = experiments
    runs = clone.runs()
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {clone.experiment_of(run) for run in runs} == {"petseg"}
    for name, data in rows(shown).items():
        metrics = data["metrics"]["metrics/evaluate.json"]["data"]
        params = data["params"]["params.yaml"]["data"]["train"]
        matching = [
            run
            for run in runs
            if float(run.data.params["train.lr"]) == params["lr"]
            and int(run.data.params["train.epochs"]) == params["epochs"]
        ]
        checkpoints = {run.data.tags["checkpoint.sha256"] for run in matching}
        assert len(checkpoints) == 1, name
        assert matching[0].data.metrics["test.miou"] == pytest.approx(metrics["miou"], abs=1e-6)


def test_the_artifacts_of_every_run_are_on_disk_in_the_root(clone, experiments):
    for run in clone.runs():
        folder = Path(unquote(urlparse(run.info.artifact_uri).path))
        assert clone.root / "mlartifacts" in folder.parents
        assert (folder / "plots/evaluate/examples.png").stat().st_size > 0
        assert (folder / "plots/train/curves.csv").stat().st_size > 0


def test_the_experiments_can_be_compared(clone, experiments):
    table = clone.run("dvc exp show --csv --only-changed")
    assert "in-copy" in table
    assert "train.lr" in table
    assert "train_loss" in clone.run("dvc metrics diff in-copy in-workspace")
