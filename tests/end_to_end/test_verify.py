"""`make verify` on the real pipeline with tiny params: the same bytes, or where they part.

More of what can part is tried on a small pipeline, in tests/tools/test_verify_command.py.
"""

import hashlib
import sqlite3

import pytest
from clone import ALL_STAGES

from pipeline.records.versions import find_version

pytestmark = pytest.mark.slow

IDENTICAL = "identical: checkpoint.pth, model.onnx, model.int8.onnx"


@pytest.fixture(scope="module")
def version(clone):
    """The number of a version whose source and params are committed."""
    clone.run("make && git add --all && git commit --quiet --allow-empty --message results")
    digest = hashlib.sha256((clone.root / "models/model.onnx").read_bytes()).hexdigest()
    return find_version(f"sqlite:///{clone.root}/mlflow.db", digest).number


@pytest.fixture(scope="module")
def experiment(clone, version, tmp_path_factory):
    """The run of an experiment on archives from disk, with a loss that was never committed."""
    folder = tmp_path_factory.mktemp("archives")
    clone.run(f"cp data/raw/*.tar {folder}")
    losses = clone.root / "pipeline/model/losses.py"
    losses.write_text(losses.read_text().replace("entropy + ", "2 * entropy + "))
    settings = {"download.dataset": "oxford", "train.lr": "0.002"}
    for name in ("images", "annotations"):
        settings[f"download.datasets.oxford.{name}.url"] = f"{folder}/{name}.tar"
        settings[f"download.datasets.oxford.{name}.md5"] = "null"
    options = " ".join(f"--set-param {key}={value}" for key, value in settings.items())
    before = {run.info.run_id for run in clone.runs()}
    clone.run(f"dvc exp run {options} && git checkout . && dvc checkout")
    [run_id] = {run.info.run_id for run in clone.runs()} - before
    assert clone.client.get_run(run_id).data.tags["git.dirty"] == "true"
    return run_id


def verify(clone, arguments, status=0):
    return clone.run(f"make verify {arguments}; test $? = {status}")


def test_a_committed_version_comes_again_from_nothing(clone, version):
    runs = len(clone.runs())
    output = verify(clone, f"VERSION={version}")
    assert sorted(clone.stages_run(output)) == sorted(ALL_STAGES)
    assert IDENTICAL in output
    assert "differs" not in output
    assert "unknown" not in output
    assert len(clone.runs()) == runs
    assert clone.run("git status --porcelain") == ""
    assert len(clone.run("git worktree list").splitlines()) == 1


def test_a_dirty_experiment_comes_again(clone, experiment):
    assert IDENTICAL in verify(clone, f"RUN={experiment}")


def test_another_seed_is_named_and_data_that_is_here_can_be_taken(clone, version):
    run_id = clone.client.get_model_version("pet-segmentation", str(version)).run_id
    with sqlite3.connect(clone.root / "mlflow.db") as database:
        change = f"UPDATE params SET value = '%d' WHERE key = 'seed' AND run_uuid = '{run_id}'"
        database.execute(change % 1)
    output = verify(clone, f"VERSION={version} DATA=data/pets", status=2)
    with sqlite3.connect(clone.root / "mlflow.db") as database:
        database.execute(change % 0)
    assert sorted(clone.stages_run(output)) == sorted(ALL_STAGES[2:])
    assert "different. It starts with the params: seed was 0, is 1." in output


def test_another_byte_of_the_data_that_is_here_is_named(clone, version):
    clone.run("cp --recursive --dereference data/pets changed")
    picture = sorted((clone.root / "changed/images").iterdir())[0]
    picture.write_bytes(picture.read_bytes() + b"\0")
    output = verify(clone, f"VERSION={version} DATA=changed", status=2)
    clone.run("rm --recursive changed")
    assert clone.stages_run(output) == []
    assert f"It starts with the data: images/{picture.name} was" in output
