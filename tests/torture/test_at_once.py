"""Four experiments at once, with one store and one cache of pictures, from the first moment on."""

import shutil
from contextlib import ExitStack

import pytest
from ledger import FULL, TRIES, Row
from tiny_pets import write_params, write_tiny_pets
from training import finish, outputs, runs, train_here, training

from pipeline.core.files import file_digest

pytestmark = pytest.mark.torture

RATES = (0.001, 0.002, 0.003, 0.004)


def workspace(folder, rate):
    write_tiny_pets(folder)
    write_params(folder, train={"lr": rate})
    return folder


def test_four_trainings_at_once_lose_no_run_and_no_byte(tiny_pets, monkeypatch):
    root = tiny_pets
    (root / "mlflow.db").unlink()  # the four of them make it
    alone = {rate: train_alone(root / f"alone-{rate}", rate, monkeypatch) for rate in RATES}
    row = Row("four at once", "train")
    for number in range(TRIES):
        row.add(inside=True, lost=train_at_once(root / f"{number}", alone))
    row.check()


def train_alone(folder, rate, monkeypatch):
    workspace(folder, rate)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    train_here()
    return outputs(folder)


def train_at_once(root, alone):
    """Four copies of a workspace that have one root, as DVC's experiments do; what was lost."""
    copies = {rate: workspace(root / f"copy-{rate}", rate) for rate in RATES}
    with ExitStack() as running:
        processes = [running.enter_context(training(copy, root=root)) for copy in copies.values()]
        for process in processes:
            finish(process)
    lost = [f"lr {rate}: other bytes" for rate in RATES if outputs(copies[rate]) != alone[rate]]
    found = sorted((run.data.params["train.lr"], run.info.status) for run in runs(root))
    if found != [(str(rate), "FINISHED") for rate in RATES]:
        lost.append(f"runs: {found}")
    left = [*root.rglob(".*.tmp"), *root.glob("mlartifacts/unsent/*")]
    return lost + [f"left behind: {path.name}" for path in left]


@FULL
def test_four_experiments_of_dvc_at_once_lose_no_run(clone):
    rates = ",".join(map(str, RATES[:3]))
    clone.run(f"dvc exp run --queue -S train.lr={rates} && dvc exp run --queue -S train.epochs=2")
    clone.run_queue(jobs=4)
    together = {run.data.tags["checkpoint.sha256"] for run in clone.runs()}
    statuses = [run.info.status for run in clone.runs()]
    # The fifth is the run that the clone came with.
    lost = [] if statuses == ["FINISHED"] * 5 else [f"runs: {statuses}"]
    shutil.rmtree(clone.root / ".dvc/cache")
    shutil.rmtree(clone.root / ".cache")
    (clone.root / "mlflow.db").unlink()
    for rate, epochs in [(rate, 1) for rate in RATES[:3]] + [(0.004, 2)]:
        clone.run("git checkout --quiet .")
        clone.run(f"dvc exp run -S train.lr={rate} -S train.epochs={epochs}")
        if file_digest(clone.root / "models/checkpoint.pth") not in together:
            lost.append(f"lr {rate}, {epochs} epochs: other bytes")
    row = Row("four at once", "dvc queue")
    row.add(inside=True, lost=lost)
    row.check()
