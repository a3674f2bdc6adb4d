"""A sweep: from its plan to experiments, what is read of their logs, and their ranking."""

import re
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import pytest
import yaml
from mlflow_workspace import commit, git
from tiny_pets import REPOSITORY

from pipeline.core.terminal import UserError
from pipeline.records.lineage import copies_refused
from pipeline.records.store import StoreError
from tools.sweep import ready
from tools.sweeps.jobs import Job, advance, finished_experiments
from tools.sweeps.local import Here, start_dvc
from tools.sweeps.plan import (
    Experiment,
    combinations,
    param_options,
    plan_experiments,
    read_plan,
    setting,
)
from tools.sweeps.ranking import Result, differing, print_ranking

STATES = ("running", "waiting")


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A committed params.yaml with two params and a source file."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "params.yaml", {"train": {"lr": 0.1, "epochs": 1}, "seed": 0})
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/train.py").write_text("print('one')\n")
    commit(tmp_path)
    return tmp_path


@pytest.fixture
def job(tmp_path):
    return Job(Experiment("sweep-1", {}), tmp_path / "sweep-1.log")


def write(file, values):
    file.write_text(yaml.safe_dump(values))
    return file


def names(name="sweep", **plan):
    return [experiment.name for experiment in plan_experiments(plan, name)]


@pytest.mark.parametrize("sign", ["%2F", " '&;,%z", "#", "?", "ü", "{x}"])
def test_no_sweep_starts_below_a_folder_where_dvc_fails_or_loses_its_experiments(
    tmp_path, sign, monkeypatch
):
    workspace = tmp_path / f"a{sign}b"
    workspace.mkdir()
    monkeypatch.chdir(workspace)
    write(workspace / "params.yaml", {"seed": 0})
    seen = "git rev-parse HEAD; git status --porcelain; echo done > out"
    stage = {"cmd": seen, "params": ["seed"], "outs": ["out"]}
    write(workspace / "dvc.yaml", {"stages": {"only": stage}})
    (workspace / ".dvc").mkdir()  # as `dvc init` leaves it
    (workspace / ".dvc/config").touch()
    (workspace / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    commit(workspace)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    job = Job(Experiment("sweep-1", {"seed": 1}), tmp_path / "sweep-1.log")
    start_dvc(job).wait()
    lost, told = "sweep-1" not in finished_experiments(), job.log.read_text()
    assert bool(copies_refused(workspace)) == lost, told
    if not lost:  # what lineage asks of a copy: its changes are not committed
        assert git(workspace, "rev-parse", "HEAD") in told
        assert re.search(r"^ ?M +params\.yaml$", told, re.MULTILINE)
    else:
        monkeypatch.setenv("DVC_ROOT", str(workspace))
        with pytest.raises(UserError, match=rf"{re.escape(sign[0])}.* in the name of a folder"):
            Here(1, tmp_path)


def test_a_grid_is_every_combination_and_each_entry_of_a_list_is_tried_with_it():
    plan = {"set": {"seed": 1}, "grid": {"train.lr": [0.1, 0.2], "train.epochs": [1, 2]}}
    assert list(combinations(plan)) == [
        {"seed": 1, "train.lr": lr, "train.epochs": epochs}
        for lr in (0.1, 0.2)
        for epochs in (1, 2)
    ]
    entries = [{"train.lr": 0.1}, {"train.lr": 0.2, "train.epochs": 3}]
    assert list(combinations({"grid": {"seed": [0, 1]}, "list": entries})) == [
        {**entry, "seed": seed} for entry in entries for seed in (0, 1)
    ]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"set": {"seed": 1}}, "expected grid, list, both, or search"),
        ({"grid": {}, "grids": {}}, "expected grid, list, both, or search"),
        ({"grid": {"train.lr": 0.1}}, r"grid\.train\.lr: .* valid array"),
        ({"grid": {}, "search": {}}, "expected grid, list, both, or search"),
        (None, "is missing"),
        ({"grid": {"train.lrate": [1]}}, r"train\.lrate is not in params.*; near it: train\.lr"),
        ({"grid": {"train.lr": []}}, "nothing to try"),
    ],
)
def test_a_plan_that_cannot_be_tried_is_refused_with_its_reason(workspace, sections, message):
    file = workspace / "plan.yaml"
    if sections:
        write(file, sections)
    with pytest.raises(UserError, match=message):
        names(**read_plan(file))


def test_an_experiment_keeps_its_name_as_long_as_all_that_decides_it(workspace):
    grid = {"train.lr": [0.2]}
    before = names(grid=grid)
    same = [{"train.lr": 0.2}, {"train.lr": 0.2, "seed": 0}]
    assert before == names(grid=grid)
    assert len(names(list=[*same, {"seed": 1}])) == 2
    assert names("rates", grid=grid)[0] == before[0].replace("sweep-", "rates-")

    (workspace / "notes.txt").write_text("nothing that a stage reads\n")
    write(workspace / "params.yaml", {"train": {"lr": 0.5, "epochs": 1}, "seed": 0})  # the grid's
    assert names(grid=grid) == before

    seen = [*before]
    for change in (
        lambda: write(workspace / "params.yaml", {"train": {"lr": 0.1, "epochs": 2}, "seed": 0}),
        lambda: (workspace / "stages/train.py").write_text("print('two')\n"),
        lambda: commit(workspace),
    ):
        change()
        seen += names(grid=grid)
    assert len(set(seen)) == 4


def test_a_setting_is_read_as_yaml_and_reaches_dvc_as_values_that_yaml_reads_back():
    assert setting("model.features=[4, 8]") == ("model.features", [4, 8])
    with pytest.raises(UserError, match=r"train\.epochs: expected NAME=VALUE"):
        setting("train.epochs")
    settings = {"train.lr": 0.001, "model.features": [4, 8], "model.weights": None}
    options = [option.removeprefix("--set-param=") for option in param_options(settings)]
    assert options == ["train.lr=0.001", "model.features=[4, 8]", "model.weights=null"]
    assert dict(setting(option) for option in options) == settings
    [option] = param_options({"gate.max_class_drop": {"traffic light": 0.01, "tram-stop": 1}})
    assert option == "--set-param=gate.max_class_drop={traffic light: 0.01, tram-stop: 1}"


def test_the_last_line_that_has_text_is_read_in_its_last_state(job):
    job.log.write_text("Running stage 'train':\nepoch 1/3  1/9\repoch 1/3  9/9\r\n\n")
    assert job.last_lines()[-1] == "epoch 1/3  9/9"
    job.log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert job.last_lines()[-1] == "line 99999"
    assert len(job.last_lines()) < 1000


def test_the_reason_is_the_stages_own_error_else_the_last_line(job):
    assert job.reason() == "it wrote nothing"
    job.log.write_text("Traceback:\nZeroDivisionError: division by zero\n")
    assert job.reason() == "ZeroDivisionError: division by zero"
    error = "error: params.yaml: train.lr: Input should be greater than 0, found -1"
    job.log.write_text(f"{error}\nERROR: failed to reproduce 'train': failed to run\n")
    assert job.reason() == error


class Idle:
    """An engine with a place that is always free, where no job starts."""

    def place(self):
        return nullcontext(lambda _: False)

    def poll(self):
        """Nothing ends."""

    def stop(self):
        """Nothing runs."""


def test_while_the_store_is_away_nothing_more_is_started(job, monkeypatch):
    jobs = {name: replace(job, state=state) for name, state in zip("ab", STATES, strict=True)}
    monkeypatch.setattr("pipeline.records.experiments.experiment_runs", lambda *_: {})
    assert ready(jobs, None, "sweep") == [jobs["b"]]

    def fail(*_):
        raise StoreError("no connection")

    monkeypatch.setattr("pipeline.records.experiments.experiment_runs", fail)
    candidates = partial(ready, jobs, None, "sweep")
    assert advance(jobs, candidates, Idle())
    jobs["a"].state = "done"
    with pytest.raises(StoreError):
        advance(jobs, candidates, Idle())
    jobs["b"].state = "done"
    assert ready(jobs, None, "sweep") == []
    assert not advance(jobs, candidates, Idle())


def test_only_settings_that_differ_are_shown():
    experiments = [
        Experiment("a", {"train.threads": 1, "train.lr": 0.1}),
        Experiment("b", {"train.threads": 1, "train.lr": 0.2, "model.features": [4, 8]}),
    ]
    assert differing(experiments) == ["train.lr", "model.features"]
    assert differing(experiments[:1]) == []


def test_a_row_has_scores_minutes_settings_and_run(capsys):
    results = [
        Result(
            Experiment("sweep-b", {"train.lr": 0.2}),
            {"val mIoU": 0.75, "test mIoU": 0.7301},
            "0123456789",
            "12.3",
        ),
        Result(Experiment("sweep-a", {}), {"val mIoU": 0.74, "test mIoU": 0.74}, "", ""),
    ]
    keys = ["train.lr", "train.augmentation.crop_min_area", "train.encoder_lr_factor"]
    print_ranking(results, keys)  # wider than the 80 columns that rich takes without a terminal
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1] == ["1", "sweep-b", "0.7500", "0.7301", "12.3", "0.2", "01234567"]
    assert rows[2] == ["2", "sweep-a", "0.7400", "0.7400", "none"]
