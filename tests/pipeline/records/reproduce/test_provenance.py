from pathlib import Path

import pytest
from mlflow_workspace import git
from tiny_models import write_onnx

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.records.lineage import code_digest, describe_environment
from pipeline.records.registry import promote, register_model
from pipeline.records.reproduce.provenance import Provenance, find_provenance
from pipeline.records.runs import checkpoint_run, training_run
from pipeline.records.store import open_store

DATA = Path("data/pairs")


def commit(source: str) -> None:
    """A commit with this source of the training."""
    Path("stages").mkdir(exist_ok=True)
    Path("stages/train.py").write_text(source)
    git(Path(), "add", "stages")
    git(Path(), "commit", "--quiet", "--message", source)


@pytest.fixture
def project(workspace: Path) -> Path:
    """A repository with a commit and a params.yaml."""
    git(Path(), "init", "--quiet")
    commit("lr = 1\n")
    Path("params.yaml").write_text("train: {lr: 1}\nexport: {threads: 1}\n")
    return workspace


def train(checkpoint: str = "abc") -> str:
    with training_run(DATA, {"train": {"lr": 1}}, {}, checkpoint) as run:
        run.set_tags({"precision": "fp32"})
        run.finish(checkpoint)
    return run.run_id


def export(checkpoint: str = "abc", weight: int = 0) -> int:
    with checkpoint_run(checkpoint, DATA) as run:
        run.set_tags({"export": {"threads": 1}})
        run.log_metrics({"test": {"miou": 0.5}})
        scores = {"test": {"miou": 0.5}}
        return register_model(run, write_onnx(Path("model.onnx"), weight), scores)


def find(reference: object) -> Provenance:
    return find_provenance(open_store(), str(reference))


def test_a_version_knows_commit_params_environment_and_scores(project):
    train()
    provenance = find(export())
    assert (provenance.name, provenance.commit) == ("version 1", git(Path(), "rev-parse", "HEAD"))
    assert provenance.patch is None
    assert provenance.params == {"train.lr": "1"}
    assert provenance.params_file == Path("params.yaml").read_text()
    assert provenance.sources == {"stages/train.py": file_digest(Path("stages/train.py"))}
    assert provenance.environment == describe_environment()
    assert provenance.tags["code.digest"] == code_digest(Path())
    assert provenance.tags["precision"] == "fp32"
    assert provenance.tags["test.miou"] == "0.5"
    assert provenance.tags["onnx.sha256"] == file_digest(Path("model.onnx"))


def test_a_version_is_found_by_number_and_alias_and_by_its_runs_id(project):
    run_id = train()
    export()
    promote(open_store(), 1)
    assert find("1") == find("@champion") == find(run_id) == find(run_id[:10])


def test_a_run_that_was_never_registered_stands_for_itself(project):
    run_id = train()
    provenance = find(run_id)
    assert provenance.name == f"run {run_id}"
    assert provenance.tags["checkpoint.sha256"] == "abc"
    assert "onnx.sha256" not in provenance.tags


def test_a_dirty_run_has_its_patch_and_cannot_be_rebuilt_without(project):
    Path("stages/train.py").write_text("lr = 2\n")
    run_id = train()
    stored = open_store().client.get_run(run_id)
    assert (stored.data.tags["git.dirty"], stored.info.run_name[-1]) == ("true", "+")
    assert b"+lr = 2" in find(run_id).patch
    (project / "mlartifacts" / run_id / "artifacts/lineage/dirty.patch").unlink()
    with pytest.raises(UserError, match="the patch is not among its artifacts"):
        find(run_id)


def test_a_version_exported_by_later_code_is_rebuilt_from_that_code(project):
    """The checkpoint is the same, since DVC trains again when the training's code changes."""
    trained = git(Path(), "rev-parse", "HEAD")
    train()
    first = export(weight=0)
    commit("lr = 1\nexport = 2\n")
    Path("stages/new.py").write_text("dirty = True\n")
    Path("params.yaml").write_text("train: {lr: 1}\nexport: {threads: 2}\n")
    second = find(export(weight=1))
    assert find(first).commit == trained
    assert find(first).patch is None
    assert "threads: 1" in find(first).params_file
    assert second.commit == git(Path(), "rev-parse", "HEAD")
    assert b"+dirty = True" in second.patch
    assert second.tags["code.digest"] == code_digest(Path())
    assert "threads: 2" in second.params_file


def test_the_environment_of_a_restored_checkpoint_is_unknown(project):
    assert find(export("restored")).environment == {}


def test_a_reference_must_mean_one_run(project):
    train("abc"), train("def")
    problems = {"7": "no version 7", "no-such-run": "no run begins", "": "2 runs begin with ''"}
    for reference, problem in problems.items():
        with pytest.raises(UserError, match=problem):
            find(reference)


def test_a_run_without_a_checkpoint_cannot_be_compared(project):
    with training_run(DATA, {}, {}, "id") as run:
        pass
    with pytest.raises(UserError, match="its training did not end"):
        find(run.run_id)


def test_a_run_made_without_git_cannot_be_rebuilt(workspace):
    with pytest.raises(UserError, match="its commit is unknown"):
        find(train())
