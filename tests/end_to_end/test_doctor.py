"""What `make doctor` finds after things went out of step, and whether its remedies mend them."""

import pytest
from clone import Clone

pytestmark = pytest.mark.slow

DOCTOR = "python -m tools.doctor"
EXPERIMENT = "dvc exp run --temp --name lone --set-param train.lr=0.002"


@pytest.fixture(scope="module")
def healthy(clone, tmp_path_factory):
    """A clone without any experiments or old runs, run to its end and committed."""
    root = tmp_path_factory.mktemp("healthy") / "petseg"
    clone.run("git add --all && git commit --quiet --allow-empty --message present")
    clone.run(f"git clone --quiet . {root} && cp --archive .venv {root}")
    fresh = Clone(root)
    fresh.run("dvc repro && python -m tools.models gate")
    fresh.run("git add --all && git commit --quiet --allow-empty --message trained")
    return fresh


def lone_run(clone):
    [run] = [run for run in clone.runs() if run.data.tags.get("dvc.exp_name") == "lone"]
    return run.info.run_id


def test_after_a_run_of_the_pipeline_all_is_well(healthy):
    assert "0 to repair" in healthy.run(DOCTOR) or "All is well" in healthy.run(DOCTOR)


def test_a_changed_param_is_told(healthy):
    healthy.run("sed --in-place 's/epochs: 1/epochs: 2/' params.yaml")
    told = healthy.run(DOCTOR)
    assert "not as dvc.lock says: train" in told
    assert "dvc repro" in told
    healthy.run("git restore params.yaml")
    assert "dvc.lock is in sync" in healthy.run(DOCTOR)


def test_an_experiment_without_run_gets_one_by_the_remedy(healthy):
    healthy.run(EXPERIMENT)
    assert "every checkpoint has its run" in healthy.run(DOCTOR)
    healthy.run(f"mlflow runs delete --run-id {lone_run(healthy)}",
                MLFLOW_TRACKING_URI=f"sqlite:///{healthy.root}/mlflow.db")  # fmt: skip
    told = healthy.run(DOCTOR)
    assert "the model of lone has no run in this store" in told
    assert "1 deleted runs still hold" in told
    healthy.run("dvc exp apply lone; python -m tools.models gate")
    assert "every checkpoint has its run" in healthy.run(DOCTOR)
    healthy.run("git checkout --quiet . && dvc checkout --quiet")


def test_a_run_whose_experiment_was_removed_is_told_and_so_is_what_the_cache_holds(healthy):
    healthy.run("dvc exp remove lone")
    told = healthy.run(DOCTOR)
    assert "the cache has its checkpoint for no commit and no experiment" in told
    assert "that no commit and no experiment needs" in told
    assert "dvc gc --workspace --all-commits --all-experiments" in told


def test_a_moved_clone_is_mended_by_the_remedy(healthy):
    moved = Clone(healthy.root.rename(healthy.root.with_name("moved")))
    told = moved.run(f"{DOCTOR}; test $? = 1")
    assert "python -m tools.doctor --readdress" in told
    moved.run("python -m tools.doctor --readdress")
    assert "0 to repair" in moved.run(DOCTOR)
    moved.run("python -m tools.predict data/pets/images/Bengal_1.jpg --model @champion")
