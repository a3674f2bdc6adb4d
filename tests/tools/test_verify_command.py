"""A project of two small stages, rebuilt: what differs is named where it starts."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from mlflow_workspace import git, make_workspace
from tiny_pets import REPOSITORY

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.records.reproduce.provenance import Provenance
from pipeline.records.runs import checkpoint_run, training_run
from pipeline.records.store import open_store
from tools import verify

EXTRACT = """
import hashlib
import pathlib
import yaml

params = yaml.safe_load(pathlib.Path("params.yaml").read_text())
source = pathlib.Path(params["download"]["url"]).read_bytes()
pathlib.Path("data/pets").mkdir(parents=True, exist_ok=True)
pathlib.Path("data/pets/index.csv").write_text(hashlib.sha256(source).hexdigest())
"""
SPLIT = """
import json
import os
import pathlib
import time
import yaml

FACTOR = 1
params = yaml.safe_load(pathlib.Path("params.yaml").read_text())
data = pathlib.Path("data/pets/index.csv").read_text()
weights = [FACTOR, params["seed"], params["train"], data, os.environ.get("NOISE")]
if os.environ.get("SLOW"):
    pathlib.Path(os.environ["SLOW"]).touch()
    time.sleep(60)
pathlib.Path("models").mkdir(exist_ok=True)
pathlib.Path("models/checkpoint.pth").write_text(json.dumps(weights))
pathlib.Path("metrics").mkdir(exist_ok=True)
pathlib.Path("metrics/evaluate.json").write_text('{"miou": 0.25}' if "NOISE" in os.environ else
                                                 '{"miou": 0.5}')
"""
DVC = """
stages:
  extract:
    cmd: python -m stages.extract
    outs: [data/pets]
  split:
    cmd: python -m stages.split
    deps: [data/pets]
    outs: [models/checkpoint.pth]
    metrics: [{metrics/evaluate.json: {cache: false}}]
"""
FILES = {
    ".dvc/config": "",
    ".gitignore": "/data/\n/models/\n/metrics/\n/mlflow.db\n/mlartifacts/\n/.cache/\n/source\n",
    "dvc.yaml": DVC,
    "stages/__init__.py": "",
    "stages/extract.py": EXTRACT,
    "stages/split.py": SPLIT,
    "source": "the archive",
}
PARAMS = {
    "seed": 0,
    "download": {"url": "source"},
    "train": {"lr": 0.001, "weights": None, "features": [4, 8]},
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The stages, committed."""
    make_workspace(tmp_path, monkeypatch)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    write_params(lr=0.001)
    for command in (["init"], ["add", "."], ["commit", "--message", "start"]):
        git(tmp_path, *command)
    return tmp_path


def write_params(lr):
    """With the source's whole path, which is the same from everywhere."""
    values = PARAMS | {"download": {"url": str(Path("source").resolve())}}
    values["train"] = PARAMS["train"] | {"lr": lr}
    Path("params.yaml").write_text(yaml.safe_dump(values))


def train():
    """Run the stages and record it as the real ones do; return the run's id."""
    for stage in ("extract", "split"):
        subprocess.run([sys.executable, "-m", f"stages.{stage}"], check=True)
    checkpoint = file_digest(Path("models/checkpoint.pth"))
    params = yaml.safe_load(Path("params.yaml").read_text())
    with training_run(Path("data/pets"), params, {}, checkpoint) as run:
        run.set_tags({"processes": 1})
        run.finish(checkpoint)
    with checkpoint_run(checkpoint, Path("data/pets")) as run:
        run.log_metrics({"test": {"miou": 0.5}})
    return run.run_id


def run_verify(monkeypatch, capfd, *arguments):
    """The exit status, and the verdict."""
    monkeypatch.setattr(sys, "argv", ["verify", *arguments])
    status = verify.main()
    assert worktrees() == 1
    return status, capfd.readouterr().out.strip().splitlines()[-1]


def worktrees():
    return git(Path(), "worktree", "list", "--porcelain").count("worktree ")


def kept(run_id, name):
    return Path("mlartifacts") / run_id / "artifacts/lineage" / name


def edit(file, before, after):
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_a_committed_run_comes_again_and_leaves_nothing_behind(project, monkeypatch, capfd):
    run_id = train()
    runs = len(all_runs())
    before = sorted(project.rglob("*"))
    edit(Path("stages/split.py"), "FACTOR = 1", "FACTOR = 3")  # since then
    write_params(lr=7)
    assert run_verify(monkeypatch, capfd, run_id) == (0, "identical: checkpoint.pth")
    assert len(all_runs()) == runs
    assert [each for each in sorted(project.rglob("*")) if ".git" not in each.parts] == [
        each for each in before if ".git" not in each.parts
    ]


def all_runs():
    store = open_store()
    return store.client.search_runs([store.experiment_id])


@pytest.fixture
def dirty(project):
    """The run of an experiment with a source that was never committed, and other params."""
    edit(Path("stages/split.py"), "FACTOR = 1", "FACTOR = 2")
    write_params(lr=1e-05)
    run_id = train()
    subprocess.run(["git", "checkout", "--quiet", "."], check=True)
    return run_id


def test_other_source_and_missing_data_are_named(dirty, monkeypatch, capfd):
    with pytest.raises(UserError, match=r"none/index\.csv is missing"):
        run_verify(monkeypatch, capfd, dirty, "--data", "none")
    edit(kept(dirty, "dirty.patch"), "+FACTOR = 2", "+FACTOR = 4")
    status, verdict = run_verify(monkeypatch, capfd, dirty[:8])
    assert status == 1
    assert verdict.startswith("different. It starts with the code: stages/split.py was")


def test_another_param_is_named(dirty, monkeypatch, capfd):
    edit(kept(dirty, "params.yaml"), "seed: 0", "seed: 1")
    _, verdict = run_verify(monkeypatch, capfd, dirty)
    assert verdict.startswith("different. It starts with the params: seed was 0, is 1.")


@pytest.mark.parametrize(("part", "name"), [("environment", "numpy"), ("hardware", "processor")])
def test_another_machine_is_named(dirty, monkeypatch, capfd, part, name):
    file = kept(dirty, "environment.json")
    values = json.loads(file.read_text())
    values[part][name] = "of then"
    file.write_text(json.dumps(values))
    monkeypatch.setenv("NOISE", "1")
    status, verdict = run_verify(monkeypatch, capfd, dirty)
    assert status == 1
    assert f"It starts with the {part}: {name} was of then, is" in verdict
    assert "0.5000 then, 0.2500 now (-0.2500)" in verdict


def test_a_source_that_cannot_be_had_again_is_told_as_such(dirty, monkeypatch, capfd):
    Path("source").unlink()
    status, verdict = run_verify(monkeypatch, capfd, dirty)
    assert status == 1
    assert verdict.startswith("not rebuilt: a stage stopped")
    assert "It starts with the data: index.csv" in verdict


def test_data_that_is_here_is_checked_file_by_file(tiny_pets, monkeypatch, capfd):
    pets = tiny_pets / "data/pets"
    tags = {"data.index_md5": file_digest(pets / "index.csv", "md5")}
    provenance = Provenance("the run", "", None, None, {}, {}, {}, tags)
    assert verify.check_data(provenance, pets) == []
    (pets / "images/pug_1.jpg").write_bytes(b"another")
    [finding] = verify.check_data(provenance, pets)
    assert (finding.part, finding.name, finding.differs) == ("data", "images/pug_1.jpg", True)
    (pets / "index.csv").write_text("name\n")
    [finding] = verify.check_data(provenance, pets)
    assert (finding.part, finding.name, finding.differs) == ("data", "index.csv", True)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_who_stops_it_stops_all_of_it(dirty, tmp_path, stop):
    started = tmp_path / "started"
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.verify", dirty],
        env=os.environ | {"SLOW": str(started), "PYTHONPATH": str(REPOSITORY)},
    )
    try:
        while not started.exists():
            assert process.poll() is None
            time.sleep(0.05)
        stages = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(stop)
        assert process.wait(timeout=60) != 0
    finally:
        process.kill()
    assert worktrees() == 1
    assert psutil.wait_procs(stages, timeout=30)[1] == []
