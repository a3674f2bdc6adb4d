"""From a plan to the experiments to run: which settings, each once, under which name."""

import subprocess

import pytest
import yaml
from tiny_pets import REPOSITORY

from pipeline.core.params import ParamsError
from pipeline.core.terminal import UserError
from tools.sweeps.plan import Plan, plan_experiments, read_plan


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A committed params.yaml with two params and a source file."""
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, {"train": {"lr": 0.1, "epochs": 1}, "seed": 0})
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/train.py").write_text("print('one')\n")
    git("init", "--quiet")
    commit("first")
    return tmp_path


def git(*arguments):
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@localhost"]
    subprocess.run(["git", *identity, *arguments], check=True)


def commit(message):
    git("add", "--all")
    git("commit", "--quiet", "--message", message)


def write_params(folder, values):
    (folder / "params.yaml").write_text(yaml.safe_dump(values))


def write_plan(folder, **sections):
    file = folder / "plan.yaml"
    file.write_text(yaml.safe_dump(sections))
    return file


def names(plan, name="sweep"):
    return [experiment.name for experiment in plan_experiments(plan, name)]


def test_a_grid_is_every_combination_and_shared_settings_go_along():
    plan = Plan(shared={"seed": 1}, grid={"train.lr": [0.1, 0.2], "train.epochs": [1, 2]})
    assert list(plan.combinations()) == [
        {"seed": 1, "train.lr": 0.1, "train.epochs": 1},
        {"seed": 1, "train.lr": 0.1, "train.epochs": 2},
        {"seed": 1, "train.lr": 0.2, "train.epochs": 1},
        {"seed": 1, "train.lr": 0.2, "train.epochs": 2},
    ]


def test_a_list_is_tried_entry_by_entry_with_every_combination_of_a_grid():
    entries = [{"train.lr": 0.1}, {"train.lr": 0.2, "train.epochs": 3}]
    assert list(Plan(entries=entries).combinations()) == entries
    assert list(Plan(grid={"seed": [0, 1]}, entries=entries).combinations()) == [
        {"train.lr": 0.1, "seed": 0},
        {"train.lr": 0.1, "seed": 1},
        {"train.lr": 0.2, "train.epochs": 3, "seed": 0},
        {"train.lr": 0.2, "train.epochs": 3, "seed": 1},
    ]


def test_a_plan_is_read_from_its_file(tmp_path):
    file = write_plan(tmp_path, set={"seed": 1}, grid={"train.lr": [0.1]}, list=[{"seed": 2}])
    assert read_plan(file) == Plan({"seed": 1}, {"train.lr": [0.1]}, [{"seed": 2}])


def test_the_example_plan_fits_the_params(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    plan = read_plan(REPOSITORY / "experiments/sweep.yaml")
    assert len(plan_experiments(plan, "sweep")) == 6


@pytest.mark.parametrize("sections", [{}, {"set": {"seed": 1}}, {"grid": {}, "grids": {}}])
def test_a_file_without_grid_and_list_or_with_other_sections_is_refused(tmp_path, sections):
    with pytest.raises(UserError, match=r"plan\.yaml: expected the sections grid or list"):
        read_plan(write_plan(tmp_path, **sections))


def test_a_grid_of_single_values_is_refused_with_its_key(tmp_path):
    with pytest.raises(ParamsError, match=r"plan\.yaml: grid\.train\.lr: .* valid array"):
        read_plan(write_plan(tmp_path, grid={"train.lr": 0.1}))


def test_a_missing_plan_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml cannot be read"):
        read_plan(tmp_path / "none.yaml")


def test_a_setting_that_is_no_param_is_refused_with_the_nearest(workspace):
    with pytest.raises(UserError, match=r"train\.lrate is not in params\.yaml; near it: train\.lr"):
        names(Plan(grid={"train.lrate": [1]}))


def test_a_grid_without_values_is_refused(workspace):
    with pytest.raises(UserError, match="nothing to try"):
        names(Plan(grid={"train.lr": []}))


def test_the_same_settings_are_one_experiment(workspace):
    plan = Plan(entries=[{"train.lr": 0.2}, {"train.lr": 0.2, "seed": 0}, {"train.lr": 0.3}])
    assert len(names(plan)) == 2


def test_an_experiment_keeps_its_name_as_long_as_all_that_decides_it(workspace):
    plan = Plan(grid={"train.lr": [0.2]})
    before = names(plan)
    assert before == names(plan)
    assert before[0].startswith("sweep-")
    assert names(plan, "rates")[0] == before[0].replace("sweep-", "rates-")

    (workspace / "notes.txt").write_text("nothing that a stage reads\n")
    assert names(plan) == before
    write_params(workspace, {"train": {"lr": 0.5, "epochs": 1}, "seed": 0})  # the plan sets it
    assert names(plan) == before


def test_other_params_source_or_commit_make_another_experiment(workspace):
    plan = Plan(grid={"train.lr": [0.2]})
    seen = names(plan)
    write_params(workspace, {"train": {"lr": 0.1, "epochs": 2}, "seed": 0})
    seen += names(plan)
    (workspace / "stages/train.py").write_text("print('two')\n")
    seen += names(plan)
    commit("second")
    seen += names(plan)
    assert len(set(seen)) == 4
