"""A sweep from its plan to its ranking: interrupted, failed in part, and started again."""

import json
import re
import signal
import subprocess

import pytest
from processes import wait_until
from tiny_pets import REPOSITORY

pytestmark = pytest.mark.slow

PLAN = """
set: {train.epochs: 3}
list:
  - train.lr: 0.004
  - train.lr: 0.001
  - train.dice_weight: -1.0
"""  # the last of them is refused by the training
NAMES = "plan-"  # of experiments
SWEEP = "python -m tools.sweep plan.yaml --workers 2 --grid train.threads=[1] --set seed=0"


@pytest.fixture(scope="module")
def sweep(clone):
    """A sweep interrupted in its first trainings, then killed, then run to its end: its output."""
    (clone.root / "plan.yaml").write_text(PLAN)
    process = start(clone)
    wait_until(lambda: any("epoch 1/3" in log.read_text() for log in logs(clone)))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    for log in logs(clone):
        log.unlink()
    process = start(clone)
    wait_until(lambda: logs(clone))
    process.kill()  # its experiments are groups of their own, and go on
    process.wait()
    return clone.run(f"{SWEEP}; test $? = 1")  # since one fails


def start(clone):
    return subprocess.Popen(["bash", "-c", f"exec {SWEEP}"], cwd=clone.root, env=clone.environment)


def logs(clone):
    return [*(clone.root / ".cache/sweeps").glob("*.log")]


def swept_runs(clone):
    name = "dvc.exp_name"
    return [run for run in clone.runs() if run.data.tags.get(name, "").startswith(NAMES)]


def ranked(output):
    """The cells of the ranking's rows: place, name, validation mIoU, test mIoU, ..."""
    rows = (line.split() for line in output.splitlines())
    return [row for row in rows if len(row) > 2 and row[0].isdigit() and row[1].startswith(NAMES)]


def test_every_experiment_that_can_end_ended_once_and_is_ranked_by_its_validation_score(
    clone, sweep
):
    metrics = {
        experiment["name"]: experiment["revs"][0]["data"]["metrics"]
        for revision in json.loads(clone.run("dvc exp show --json"))
        for experiment in revision["experiments"] or []
        if experiment["name"].startswith(NAMES)
    }
    names = [row[1] for row in ranked(sweep)]
    assert len(names) == 2
    assert set(names) == set(metrics)
    scores = [metrics[name]["metrics/train.json"]["data"]["val"]["miou"] for name in names]
    assert scores == sorted(scores, reverse=True)
    assert [float(row[2]) for row in ranked(sweep)] == pytest.approx(scores, abs=5e-5)
    tests = [metrics[name]["metrics/evaluate.json"]["data"]["miou"] for name in names]
    assert [float(row[3]) for row in ranked(sweep)] == pytest.approx(tests, abs=5e-5)
    assert f"dvc exp apply {names[0]}" in sweep
    assert sweep.count("failed: plan-") == 1
    assert sweep.count("train.dice_weight: Input should be greater than or equal to 0") == 1


def test_each_experiment_has_one_finished_run_even_when_killed_and_started_again(clone, sweep):
    assert [run.info.status for run in swept_runs(clone)] == ["FINISHED"] * 2
    assert {run.info.run_id[:8] for run in swept_runs(clone)} == {row[-1] for row in ranked(sweep)}
    runs = {run.info.run_id for run in clone.runs()}
    assert ranked(clone.run(f"{SWEEP}; test $? = 1")) == ranked(sweep)
    assert {run.info.run_id for run in clone.runs()} == runs


def test_the_page_on_comparing_does_what_it_says(clone, sweep):
    page = (REPOSITORY / "docs/compare.md").read_text()
    commands = re.findall(r"```sh\n(.*?)\n```", page, re.DOTALL)
    best, worst = (row[1] for row in ranked(sweep))
    told = [
        clone.run(re.sub(r"\bA\b", worst, re.sub(r"\bB\b", best, command))) for command in commands
    ]
    assert best in told[0]
    assert "train.lr" in told[1]
    assert (clone.root / "dvc_plots/index.html").stat().st_size > 1000
    clone.run("git checkout --quiet . && dvc checkout --quiet")

    [filters] = re.findall(r"```\n(metrics.*?)```", page, re.DOTALL)
    for theirs, here in (("0.745", "-1"), ("0.76", "-1"), ("oxford", "sample")):
        filters = filters.replace(theirs, here)
    for line in filters.splitlines():
        assert clone.client.search_runs(["1"], line), line
