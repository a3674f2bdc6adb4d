"""What `make doctor` finds after things went out of step, and whether its remedies mend them.

The tests run in this order, in one clone.
"""

import pytest
from clone import Clone

pytestmark = pytest.mark.slow

DOCTOR = "python -m tools.doctor"
EXPERIMENT = "dvc exp run --temp --name lone --set-param train.lr=0.002"


def lone_run(clone):
    [run] = [run for run in clone.runs() if run.data.tags.get("dvc.exp_name") == "lone"]
    return run.info.run_id


def test_a_changed_param_is_told_and_a_restored_one_is_well(clone):
    clone.run("sed --in-place 's/epochs: 1/epochs: 2/' params.yaml")
    told = clone.run(DOCTOR)
    assert "not as dvc.lock says: train" in told
    assert "dvc repro" in told
    clone.run("git restore params.yaml")
    told = clone.run(DOCTOR)
    assert "dvc.lock is in sync" in told
    assert "0 to mend" in told or "All is well" in told


def test_an_experiment_without_run_gets_one_by_the_remedy(clone):
    clone.run(EXPERIMENT)
    assert "every checkpoint has its run" in clone.run(DOCTOR)
    clone.run(f"mlflow runs delete --run-id {lone_run(clone)}",
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
    assert "0 to mend" in moved.run(DOCTOR)
    moved.run("python -m tools.predict data/pets/images/Bengal_1.jpg --model @champion")
