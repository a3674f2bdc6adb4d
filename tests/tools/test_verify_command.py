"""A project of two small stages, rebuilt: what differs is named where it starts."""

import json
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml
from mlflow_workspace import commit, git
from processes import REPOSITORY, call, running, wait_until

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.records.reproduce.provenance import Provenance
from pipeline.records.runs import all_runs, checkpoint_run, training_run
from pipeline.records.store import open_store
from tools import verify

EXTRACT = """
import hashlib
from pathlib import Path
import yaml

source = Path(yaml.safe_load(Path("params.yaml").read_text())["source"])
Path("data/pairs").mkdir(parents=True, exist_ok=True)
Path("data/pairs/index.csv").write_text(hashlib.sha256(source.read_bytes()).hexdigest())
"""
SPLIT = """
import os
from pathlib import Path
from time import sleep

FACTOR = 1
noise = os.environ.get("NOISE", "")
if "STAGE_SLEEPS" in os.environ:
    Path(os.environ["STAGE_SLEEPS"]).touch()
    sleep(60)
read = [Path(name).read_text() for name in ("params.yaml", "data/pairs/index.csv")]
for folder in ("models", "metrics"):
    Path(folder).mkdir(exist_ok=True)
Path("models/checkpoint.pth").write_text(f"{FACTOR} {read} {noise}")
Path("metrics/evaluate.json").write_text('{"miou": 0.25}' if noise else '{"miou": 0.5}')
"""
DVC = """
stages:
  extract:
    cmd: python -m stages.extract
    outs: [data/pairs]
  split:
    cmd: python -m stages.split
    deps: [data/pairs]
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


@pytest.fixture
def project(workspace):
    """The stages, committed."""
    for name, text in FILES.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(text)
    write_params(lr=0.001)
    commit(workspace)
    return workspace


def write_params(lr):
    """With the source's whole path, which is the same from everywhere."""
    values = {"seed": 0, "source": str(Path("source").resolve()), "train": {"lr": lr}}
    Path("params.yaml").write_text(yaml.safe_dump(values))


def train():
    """Run the stages and record it as the real ones do; return the run's id."""
    for stage in ("extract", "split"):
        subprocess.run([sys.executable, "-m", f"stages.{stage}"], check=True)
    checkpoint = file_digest(Path("models/checkpoint.pth"))
    params = yaml.safe_load(Path("params.yaml").read_text())
    with training_run(Path("data/pairs"), params, {}, checkpoint) as run:
        run.set_tags({"processes": 1})
        run.finish(checkpoint)
    with checkpoint_run(checkpoint, Path("data/pairs")) as run:
        run.log_metrics({"test": {"miou": 0.5}})
    return run.run_id


def run_verify(capfd, *arguments):
    """The exit status, the words of each row of the table, and the verdict."""
    status = call(verify, *arguments)
    assert worktrees() == 1
    *table, verdict = capfd.readouterr().out.strip().splitlines()
    return status, [re.findall(r"[^\s│]+", row) for row in table], verdict


def worktrees():
    return git(Path(), "worktree", "list", "--porcelain").count("worktree ")


def edit(file, before, after):
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


@pytest.fixture
def dirty(project):
    """The run of an experiment with a source that was never committed, and other params."""
    edit(Path("stages/split.py"), "FACTOR = 1", "FACTOR = 2")
    write_params(lr=1e-05)
    run_id = train()
    git(project, "checkout", "--quiet", ".")
    return run_id


def test_a_dirty_run_is_rebuilt_to_the_same_bytes_and_nothing_stays_behind(project, dirty, capfd):
    runs = len(all_runs(open_store()))
    edit(Path("stages/split.py"), "FACTOR = 1", "FACTOR = 3")  # since then
    write_params(lr=7)
    before = files_of(project)
    status, _, verdict = run_verify(capfd, dirty[:8])
    assert (status, verdict) == (0, "identical: checkpoint.pth")
    assert len(all_runs(open_store())) == runs
    assert files_of(project) == before


def files_of(project):
    return sorted(file for file in project.rglob("*") if ".git" not in file.parts)


def test_every_difference_is_shown_and_the_verdict_names_the_first(dirty, monkeypatch, capfd):
    kept = Path("mlartifacts") / dirty / "artifacts/lineage"
    edit(kept / "dirty.patch", "+FACTOR = 2", "+FACTOR = 4")
    environment = json.loads((kept / "environment.json").read_text())
    environment["environment"]["numpy"] = environment["hardware"]["processor"] = "another"
    (kept / "environment.json").write_text(json.dumps(environment))
    edit(kept / "params.yaml", "seed: 0", "seed: 1")
    monkeypatch.setenv("NOISE", "1")
    status, rows, verdict = run_verify(capfd, dirty)
    assert status == 1
    assert verdict.startswith("different. It starts with the code: stages/split.py was")
    assert "0.5000 then, 0.2500 now (-0.2500)" in verdict
    assert ["params", "seed", "0", "1", "differs"] in rows
    for part, name in (("environment", "numpy"), ("hardware", "processor")):
        assert any(row[:3] == [part, name, "another"] for row in rows), rows


def test_a_source_that_cannot_be_fetched_again_is_reported(dirty, capfd):
    Path("source").unlink()
    status, _, verdict = run_verify(capfd, dirty)
    assert status == 1
    assert verdict.startswith("not rebuilt: a stage stopped")
    assert "It starts with the data: index.csv" in verdict
    status, _, verdict = run_verify(capfd, dirty, "--data", "data/pairs")
    assert (status, verdict) == (0, "identical: checkpoint.pth")  # the data is not made again


def test_make_names_a_run_and_given_data():
    command = ["make", "--dry-run", "--directory", REPOSITORY, "verify", "RUN=ab", "DATA=pairs"]
    assert 'tools.verify "ab" --data "pairs"' in subprocess.check_output(command, text=True)


def test_given_data_is_checked_file_by_file(tiny_pets):
    data = tiny_pets / "data/pairs"
    tags = {"data.index_md5": file_digest(data / "index.csv", "md5")}
    provenance = Provenance("the run", "", None, None, {}, {}, {}, tags)
    assert verify.check_data(provenance, data) == []
    (data / "images/pug_1.jpg").write_bytes(b"another")
    [finding] = verify.check_data(provenance, data)
    assert (finding.part, finding.name, finding.differs) == ("data", "images/pug_1.jpg", True)
    (data / "index.csv").write_text("name\n")
    [finding] = verify.check_data(provenance, data)
    assert (finding.part, finding.name, finding.differs) == ("data", "index.csv", True)
    with pytest.raises(UserError, match=r"none/index\.csv is missing"):
        verify.check_data(provenance, Path("none"))


def test_sigterm_ends_the_stages_and_removes_the_worktree(dirty, tmp_path):
    started = tmp_path / "started"
    with running("-m", "tools.verify", dirty, cwd=tmp_path, STAGE_SLEEPS=str(started)) as process:
        wait_until(started.exists, seconds=60)
        stages = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        assert process.wait(timeout=60) != 0
    assert worktrees() == 1
    assert psutil.wait_procs(stages, timeout=30)[1] == []
