"""An MLflow server that refuses, hangs, dies, comes back: training goes on, no metric is lost."""

import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pandas as pd
import pytest
from ledger import REPOSITORY, SEED, TRIES, Row
from mlflow import MlflowClient
from servers import free_port, mlflow_server
from tiny_pets import write_params
from training import OUTPUTS, finish, read_epochs, train, training

pytestmark = pytest.mark.torture

EPOCHS = 8
SLOW = {"image_size": 128, "batch_size": 2, "epochs": EPOCHS}


class Address:
    """Where a server is, or was: it starts there again, with what it had."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"

    def serving(self):
        return mlflow_server(self.folder, self.port)


def refuses(address, workspace, epoch):
    with training(workspace) as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"error: the MLflow store {address.uri} failed: no connection" in output
    with address.serving():
        train(workspace)
        return losses(address.uri, workspace)


def hangs(address, workspace, epoch, epochs=EPOCHS):
    """The server is stopped for so many epochs, at most until the training has ended."""
    with address.serving() as server:
        with training(workspace) as process:
            read_epochs(process, epoch)
            server.signal(signal.SIGSTOP)
            read_epochs(process, min(epochs, EPOCHS - epoch))
            if epochs < EPOCHS:
                server.signal(signal.SIGCONT)
            finish(process)
        server.signal(signal.SIGCONT)
        sync()
        return losses(address.uri, workspace)


def hangs_for_a_while(address, workspace, epoch):
    return hangs(address, workspace, epoch, epochs=2)


@contextmanager
def training_beside(address, workspace, epoch):
    """A training whose server dies after the epoch."""
    with address.serving() as server, training(workspace) as process:
        read_epochs(process, epoch)
        server.signal(signal.SIGKILL)
        server.process.wait()
        yield process


def dies(address, workspace, epoch):
    with training_beside(address, workspace, epoch) as process:
        finish(process)
    with address.serving():
        sync()
        return losses(address.uri, workspace)


def comes_back(address, workspace, epoch):
    with training_beside(address, workspace, epoch) as process, address.serving():
        finish(process)
        sync()
        return losses(address.uri, workspace)


def sync():
    """What the server missed is sent by the next stage, or so."""
    command = [sys.executable, "-m", "tools.sync"]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)


def losses(uri, workspace):
    """What of the local curves the server does not have."""
    client = MlflowClient(uri)
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    if [run.info.status for run in runs] != ["FINISHED"]:
        return [f"runs: {[run.info.status for run in runs]}"]
    curves = pd.read_csv(workspace / "plots/curves.csv", index_col="epoch")
    lost = [] if "checkpoint.sha256" in runs[0].data.tags else ["checkpoint.sha256"]
    for column in curves:
        name = column.replace("_", ".", 1).replace("iou_", "iou.")
        points = client.get_metric_history(runs[0].info.run_id, name)
        found = sorted((point.step, round(point.value, 4)) for point in points)
        wanted = [(step, round(value, 4)) for step, value in curves[column].items()]
        if found != wanted:
            lost.append(f"{name}: {found} instead of {wanted}")
    return lost


FAULTS = [refuses, hangs, hangs_for_a_while, dies, comes_back]


@pytest.mark.parametrize("fault", FAULTS if TRIES > 1 else [comes_back])
def test_training_goes_on_and_no_metric_is_missing(tiny_pets, tmp_path_factory, monkeypatch, fault):
    write_params(tiny_pets, train=SLOW)  # a training of some seconds
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")  # seconds for a server that hangs
    row = Row("tracking server", fault.__name__.replace("_", " "))
    for number in range(TRIES):
        address = Address(tmp_path_factory.mktemp("server"))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address.uri)
        for output in OUTPUTS:
            (tiny_pets / output).unlink(missing_ok=True)
        epoch = random.Random(f"{SEED}:{fault.__name__}:{number}").randint(1, EPOCHS - 2)
        begun = time.monotonic()
        try:
            lost = fault(address, tiny_pets, epoch)
        except (AssertionError, subprocess.CalledProcessError) as error:
            lost = [str(error)[-2000:]]
        taken = round(time.monotonic() - begun, 1)
        row.add(inside=True, epoch=epoch, seconds=taken, lost=lost)
        shutil.rmtree(address.folder)
    row.check()
