"""What the doctor says about packages, outputs and the store, and that its remedies work."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from mlflow_workspace import commit, make_workspace
from processes import call
from tiny_models import write_onnx

from pipeline.core.files import file_digest
from pipeline.core.layout import CHECKPOINT
from pipeline.core.terminal import UserError
from pipeline.model.resume import training_state
from pipeline.records.database import readdress
from pipeline.records.models import find_model
from pipeline.records.registry import register_model
from pipeline.records.runs import all_runs, training_run
from pipeline.records.store import open_store
from pipeline.records.versions import list_versions
from tools import doctor
from tools.checks import (
    _check_artifacts,
    check_cache,
    check_checkpoint,
    check_disk,
    check_environment,
    check_outputs,
    check_records,
    deviations,
)

DATA = Path("data/pairs")
DVC = """
stages:
  model: {cmd: echo model > model, outs: [model]}
  pairs: {cmd: mkdir -p pairs && echo pair > pairs/a, outs: [pairs]}
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace with one finished run, which registered a model."""
    (tmp_path / "here").mkdir()
    workspace = make_workspace(tmp_path / "here", monkeypatch)
    (workspace / "params.yaml").write_text("seed: 0\n")  # every run has a copy of it
    with training_run(DATA, {}, {}, "first") as run:
        register_model(run, write_onnx(workspace / "model.onnx"), {})
        run.finish("0123")
    return workspace


def found(state):
    return [each for each in check_records(open_store()) if each.state == state]


def do(remedy):
    subprocess.run(["bash", "-c", remedy], check=True)


def test_a_store_in_order_has_nothing_to_repair(workspace):
    assert found("bad") == found("note") == []
    assert any("1 runs, 1 versions" in each.text for each in found("good"))


def test_a_version_whose_file_is_empty_is_told(workspace):
    [file] = list_versions()[0].local_files
    os.truncate(file, 0)
    [finding] = found("bad")
    assert finding.text == f"version 1 has lost {file}"


def test_a_moved_repository_finds_its_artifacts_again(workspace, tmp_path, monkeypatch):
    old = (workspace / "mlartifacts").as_uri()
    there = tmp_path / "there"
    workspace.rename(there)
    monkeypatch.chdir(there)
    monkeypatch.setenv("DVC_ROOT", str(there))
    [finding] = found("bad")
    assert old in finding.text
    assert finding.remedy == "python -m tools.doctor --readdress"

    assert readdress(open_store().uri, old.removesuffix("ifacts")) == 0, "they only begin alike"
    assert call(doctor, "--readdress") == 0
    assert found("bad") == []
    assert find_model("1").file.read_bytes() == (there / "model.onnx").read_bytes()


def test_a_run_whose_training_was_interrupted_can_be_continued(workspace):
    with (
        training_state("key") as state,
        pytest.raises(KeyboardInterrupt),
        training_run(DATA, {}, {}, state.id) as run,
    ):
        raise KeyboardInterrupt
    open_store().client.update_run(run.run_id, status="RUNNING")  # as a killed process leaves it
    [finding] = found("note")
    assert run.run_id in finding.text
    assert "continues there" in finding.remedy


def test_a_run_that_nobody_trains_can_be_ended(workspace):
    client = open_store().client
    run = client.create_run(open_store().experiment_id)
    [finding] = found("note")
    assert run.info.run_id in finding.text
    exec(finding.remedy.split('"')[1])  # the remedy does what it says
    assert client.get_run(run.info.run_id).info.status == "KILLED"
    assert found("note") == []


def test_a_run_that_is_being_trained_is_well(workspace):
    with training_state("key") as state, training_run(DATA, {}, {}, state.id) as run:
        assert any("is being trained now" in each.text for each in found("good"))
        assert found("note") == []
        run.finish("4567")


def test_a_run_whose_artifacts_are_gone_is_deleted_and_its_rest_cleared_away(workspace):
    store = open_store()
    [run] = all_runs(store)
    shutil.rmtree(workspace / "mlartifacts" / run.info.run_id)
    [finding] = found("bad")
    assert finding.text == f"the artifacts of 1 run ({run.info.run_id[:8]}) are gone"
    assert finding.remedy == "bring the folder back from a backup", "a version is of this run"
    store.client.delete_run(run.info.run_id)
    [finding] = [each for each in found_on_disk() if "1 deleted runs still hold" in each.text]
    assert "1 made registered versions" in finding.text
    restore, _, clear = finding.remedy.partition(", and so on; then ")
    do(restore.replace("python", sys.executable))
    assert found("bad")
    store.client.delete_run(run.info.run_id)
    do(clear)
    assert not any("deleted runs" in each.text for each in found_on_disk())


def test_a_run_of_no_version_whose_artifacts_are_gone_can_be_deleted(workspace):
    with training_run(DATA, {}, {}, "second") as run:
        run.finish("4567")
    shutil.rmtree(workspace / "mlartifacts" / run.run_id)
    [finding] = found("bad")
    do(finding.remedy.partition(", or: ")[2])
    assert found("bad") == []


def found_on_disk():
    return list(check_disk(open_store))


def test_what_interrupted_experiments_left_is_told_and_removed(workspace):
    copies = [Path(".dvc/tmp/exps", name) for name in ("tmp1", "standalone/tmp2")]
    for copy in copies:
        (copy / ".git").mkdir(parents=True)
    [finding] = [each for each in found_on_disk() if each.state == "note"]
    assert finding.text.startswith("2 copies of the workspace hold ")
    do(finding.remedy.partition(": ")[2])
    assert not any(copy.exists() for copy in copies)


def test_a_server_whose_files_are_on_its_own_machine_is_told(workspace):
    store = replace(open_store(), uri="http://127.0.0.1:9")
    finding = _check_artifacts(store, all_runs(open_store()), set())
    assert finding.text.startswith("http://127.0.0.1:9 keeps files in folders of its machine")


def test_a_checkpoint_that_no_run_trained_is_told(workspace):
    """The gate registers it: test_models.py."""
    store = open_store()
    assert [each.remedy for each in check_checkpoint(store)] == ["dvc repro"]
    CHECKPOINT.parent.mkdir()
    CHECKPOINT.write_bytes(b"weights")
    assert [each.remedy for each in check_checkpoint(store)] == ["python -m tools.models gate"]
    with training_run(DATA, {}, {}, "second") as run:
        run.finish(file_digest(CHECKPOINT))
    assert [each.state for each in check_checkpoint(store)] == ["good"]


@pytest.fixture
def outputs(workspace):
    """The outputs of two stages, which are hard links to DVC's cache."""
    Path("dvc.yaml").write_text(DVC)
    commit(workspace)
    do("dvc init --quiet && dvc config cache.type hardlink,copy && dvc repro --quiet")
    commit(workspace)
    return Path("model"), Path("pairs/a")


def test_what_differs_from_the_lock_and_what_nothing_needs_is_told(outputs):
    assert [each.state for each in check_outputs()] == ["good"]
    Path("dvc.yaml").write_text(DVC.replace("echo model", "echo another"))
    [finding] = check_outputs()
    assert (finding.text, finding.remedy) == ("not as dvc.lock says: model", "dvc repro")
    do(f"{finding.remedy} --quiet; git checkout --quiet dvc.yaml dvc.lock; dvc checkout --quiet")
    _, finding = check_cache()
    assert finding.remedy == "dvc gc --workspace --all-commits --all-experiments"
    do(f"{finding.remedy} --force")
    assert [each.state for each in check_cache()] == ["good", "good"]


def test_what_a_power_cut_or_an_edit_damaged_comes_back_by_its_remedy(outputs, capsys):
    before = [file.read_bytes() for file in outputs]
    for file, content in zip(outputs, (b"", b"edited"), strict=True):
        file.chmod(0o644)  # DVC trusts an object that is write-protected
        file.write_bytes(content)
        file.chmod(0o444)
    assert call(doctor, "--deep") == 1
    told = capsys.readouterr().out
    for problem in ("1 objects in DVC's cache are empty", "2 objects in DVC's cache were changed"):
        do(re.search(rf"{problem}.*\n +(.*)", told)[1])
    assert [file.read_bytes() for file in outputs] == before


NUMPY = version("numpy")


def lock(folder, *lines):
    file = folder / "requirements.lock"
    file.write_text("\n".join(lines))
    return file


@pytest.mark.parametrize(
    ("pins", "found"),
    [
        ([f"numpy=={NUMPY}", "    # via pandas", "", "# a comment", "--no-binary=x"], {}),
        ([f"numpy=={NUMPY} \\", "    --hash=sha256:00 \\", "    --hash=sha256:11"], {}),
        ([f"torch=={version('torch').partition('+')[0]}"], {}),  # a local build of this version
        (["no-such-package==2.0 ; sys_platform == 'other'"], {}),
        (["numpy==1.0", "no-such==2.0"], {"numpy==1.0": NUMPY, "no-such==2.0": "none"}),
    ],
)
def test_packages_that_are_not_as_pinned_are_named(tmp_path, pins, found):
    assert deviations(lock(tmp_path, *pins)) == found


def test_the_remedy_is_to_install_what_is_pinned_and_a_missing_lock_is_told(tmp_path):
    file = lock(tmp_path, *(f"no-such-package-{number}==1.0" for number in range(7)))
    [finding] = [each for each in check_environment(file) if each.state == "bad"]
    assert "no-such-package-4==1.0: none installed and 2 more" in finding.text
    assert finding.remedy == "make --always-make .venv/installed"
    file.unlink()
    [finding] = [each for each in check_environment(file) if each.state == "bad"]
    assert finding.text == f"{file} is missing"


def test_without_git_or_where_it_refuses_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = lock(tmp_path, "packaging")
    [finding] = [each for each in check_environment(file) if each.state == "bad"]
    assert finding.remedy.startswith("git init; ")
    commit(tmp_path)
    assert [each for each in check_environment(file) if each.state == "bad"] == []
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as in a container
    with pytest.raises(UserError, match=r"git config --global --add safe\.directory"):
        list(check_environment(file))
