"""A node runs an experiment from a packed workspace; the sweep's repository then has it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow_workspace import commit, git
from processes import run_python

from pipeline.core.git import run_git
from tools.sweeps import node
from tools.sweeps.cluster import pack_source
from tools.sweeps.jobs import finished_experiments, read_metrics
from tools.sweeps.node import run_experiment

STAGE = """
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [lr]
    metrics: [{train.json: {cache: false}}]
"""
TRAIN = """
import json, os, yaml
lr = yaml.safe_load(open("params.yaml"))["lr"]
text = open("added.py").read()
json.dump({"lr": lr, "text": text, "pause": os.environ["PAUSE"]}, open("train.json", "w"))
assert lr < 1, "lr is too high"
"""
WHO = {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A DVC project in a folder of its repository, with changes that are not committed."""
    folder = tmp_path / "repository/project"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    git(folder.parent, "init", "--quiet")
    subprocess.run(["dvc", "init", "--quiet", "--subdir"], check=True)
    Path("dvc.yaml").write_text(STAGE)
    Path("params.yaml").write_text("lr: 0.1\n")
    Path("train.py").write_text(TRAIN)
    commit(folder)
    Path("train.py").write_text(TRAIN.replace('"text": text', '"text": text * 2'))
    Path("added.py").write_text("new")
    return folder


def test_the_workspace_as_it_is_runs_elsewhere_and_comes_back_as_an_experiment(project):
    options = ["--name", "trial-1", "--set-param=lr=0.5"]
    outcome = run_experiment(pack_source(), "trial-1", options, WHO | {"PAUSE": "3"})
    assert outcome.status == 0, outcome.log.decode()
    assert not Path("train.json").exists()
    Path("bundle").write_bytes(outcome.bundle)
    run_git(Path(), "fetch", "--quiet", "bundle", "refs/exps/*:refs/exps/*")
    reference = finished_experiments()["trial-1"]
    metrics = read_metrics(reference, [Path("train.json")])
    assert metrics == {"train": {"lr": 0.5, "text": "newnew", "pause": "3"}}
    shown = subprocess.check_output(["dvc", "exp", "list", "--name-only"], text=True)
    assert shown.split() == ["trial-1"]


def test_what_a_failed_experiment_left_unsent_goes_out_before_its_clone(project, monkeypatch):
    left = "import pathlib; p = pathlib.Path('mlartifacts/unsent'); p.mkdir(parents=True); "
    Path("train.py").write_text(f"{left}(p / '1.jsonl').touch(); raise SystemExit(1)")
    sent = []
    monkeypatch.setattr(node, "persist", lambda *given: sent.append(given[2]) or 0)
    options = ["--name", "trial-1", "--set-param=lr=0.5"]
    outcome = run_experiment(pack_source(), "trial-1", options, WHO | {"PAUSE": ""})
    assert outcome.status != 0
    assert sent == [[sys.executable, "-m", "tools.sync"]]


def test_what_goes_out_at_the_end_is_tried_again_while_a_server_is_away(tmp_path, monkeypatch):
    monkeypatch.setattr(node, "PAUSE", 0)
    command = ["sh", "-c", "echo tried >> tries; test $(wc -l < tries) -ge 3"]
    assert node.persist(tmp_path, os.environ, command, tmp_path / "log") == 0
    assert (tmp_path / "tries").read_text().split() == ["tried"] * 3
    assert node.persist(tmp_path, os.environ, ["false"], tmp_path / "log") == 1


def test_an_experiment_that_fails_says_why(project):
    options = ["--name", "trial-1", "--set-param=lr=2.0"]
    outcome = run_experiment(pack_source(), "trial-1", options, WHO | {"PAUSE": ""})
    assert outcome.status != 0
    assert b"lr is too high" in outcome.log
    assert outcome.bundle == b""


def test_ray_and_others_are_told_to_report_no_use_before_they_are_imported(monkeypatch):
    names = ("RAY_USAGE_STATS_ENABLED", "MLFLOW_DISABLE_TELEMETRY", "ORT_DISABLE_TELEMETRY")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    code = "import os, sys, tools.sweeps.cluster; assert 'ray' not in sys.modules"
    told = run_python("-c", f"{code}; print(*map(os.environ.get, {names}))")
    assert told.stdout.split() == ["0", "true", "1"], told.stderr
