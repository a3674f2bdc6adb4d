"""`make verify` and `make doctor` on an experiment: its bytes come again, and what went out of step
is told with a remedy that works. The tests run in this order, in one clone.

A committed version is rebuilt by tests/end_to_end/test_readme.py; more of what can part is tried
on a small pipeline, in tests/tools/test_verify_command.py.
"""

import pytest
from clone import ALL_STAGES, Clone, stages_run

pytestmark = pytest.mark.slow

DOCTOR = "python -m tools.doctor"
EXPERIMENT = "dvc exp run --temp --name lone --set-param train.lr=0.002"


def lone_run(clone):
    [run] = [run for run in clone.runs() if run.data.tags.get("dvc.exp_name") == "lone"]
    return run


def test_a_changed_param_is_told_and_a_restored_one_is_well(clone):
    clone.run("sed --in-place 's/epochs: 1/epochs: 2/' params.yaml")
    told = clone.run(DOCTOR)
    assert "not as dvc.lock says: train" in told
    assert "dvc repro" in told
    clone.run("git restore params.yaml")
    told = clone.run(DOCTOR)
    assert "dvc.lock is in sync" in told
    assert "0 to repair" in told or "All is well" in told


def test_a_dirty_experiment_comes_again_on_data_that_is_here(clone):
    losses = clone.root / "pipeline/model/losses.py"
    losses.write_text(losses.read_text().replace("entropy + ", "2 * entropy + "))
    clone.run(f"{EXPERIMENT} && git checkout .")
    assert lone_run(clone).data.tags["git.dirty"] == "true"
    output = clone.run(f"make verify RUN={lone_run(clone).info.run_id} DATA=data/pets")
    assert sorted(stages_run(output)) == sorted(ALL_STAGES[2:])
    assert "identical: checkpoint.pth, model.onnx, model.int8.onnx" in output


def test_an_experiment_without_run_gets_one_by_the_remedy(clone):
    assert "every checkpoint has its run" in clone.run(DOCTOR)
    clone.run(f"mlflow runs delete --run-id {lone_run(clone).info.run_id}",
              MLFLOW_TRACKING_URI=f"sqlite:///{clone.root}/mlflow.db")  # fmt: skip
    told = clone.run(DOCTOR)
    assert "the model of lone has no run in this store" in told
    assert "1 deleted runs still hold" in told
    clone.run("dvc exp apply lone; python -m tools.models gate")
    assert "every checkpoint has its run" in clone.run(DOCTOR)
    clone.run("git checkout --quiet . && dvc checkout --quiet")


def test_a_run_whose_experiment_was_removed_is_told_and_so_is_what_the_cache_holds(clone):
    clone.run("dvc exp remove lone")
    told = clone.run(DOCTOR)
    assert "the cache has its checkpoint for no commit and no experiment" in told
    assert "that no commit and no experiment needs" in told
    assert "dvc gc --workspace --all-commits --all-experiments" in told


def test_a_moved_clone_is_mended_by_the_remedy(clone):
    moved = Clone(clone.root.rename(clone.root.with_name("moved")))
    told = moved.run(f"{DOCTOR}; test $? = 1")
    assert "python -m tools.doctor --readdress" in told
    moved.run("python -m tools.doctor --readdress")
    assert "0 to repair" in moved.run(DOCTOR)
    moved.run("python -m tools.predict data/pets/images/Bengal_1.jpg --model @champion")
