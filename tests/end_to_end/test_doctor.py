"""`make verify` and `make doctor` on an experiment: its bytes come again, and the doctor names what
is out of step, with a remedy that works. The tests run in this order, in one clone.

A committed version is rebuilt by tests/end_to_end/test_readme.py. What the doctor says of a moved
or incomplete store is in tests/tools/test_doctor_checks.py; other differences that verify finds, in
tests/tools/test_verify_command.py.
"""

import os
import re
import shutil

import pytest
from clone import ALL_STAGES, stages_run

pytestmark = pytest.mark.slow

DOCTOR = "python -m tools.doctor"
EXPERIMENT = "dvc exp run --temp --name lone --set-param train.lr=0.002"


def lone_run(clone):
    [run] = [run for run in clone.runs() if run.data.tags.get("dvc.exp_name") == "lone"]
    return run


def test_a_dirty_experiment_is_rebuilt_from_given_data(clone):
    losses = clone.root / "pipeline/model/losses.py"
    losses.write_text(losses.read_text().replace("entropy / ", "2 * entropy / "))
    clone.run(f"{EXPERIMENT} && git checkout .")
    assert lone_run(clone).data.tags["git.dirty"] == "true"
    output = clone.run(f"make verify RUN={lone_run(clone).info.run_id} DATA=data/pairs")
    assert sorted(stages_run(output)) == sorted(ALL_STAGES[2:])
    assert "identical: checkpoint.pth, model.onnx, model.int8.onnx" in output
    assert "petseg-verify-" not in output, "a folder that is gone"


def test_what_differs_and_what_has_no_run_is_reported_with_its_remedy(clone):
    clone.run("dvc exp apply lone && sed --in-place 's/epochs: 1/epochs: 2/' params.yaml")
    lone = lone_run(clone).info.run_id
    shutil.rmtree(clone.root / "mlartifacts" / lone)
    gone = remedy(
        clone.run(f"{DOCTOR} || true"), rf"the artifacts of 1 run \({lone[:8]}\) are gone"
    )
    clone.run(gone.partition(", or: ")[2])
    told = clone.run(DOCTOR)
    assert "not as dvc.lock says: train" in told
    assert "dvc repro" in told
    clone.run(remedy(told, "1 deleted runs still hold"))
    gate = remedy(told, "no run in this store trained models/checkpoint.pth")
    clone.run(f"sed --in-place 's/epochs: 2/epochs: 1/' params.yaml; {gate}")
    told = clone.run(DOCTOR)
    assert "dvc.lock is in sync" in told
    assert "models/checkpoint.pth has its run" in told
    assert "All is well" in told


def test_files_of_a_removed_experiment_are_reported(clone):
    clone.run("dvc exp remove lone")
    useless = "that no commit and no experiment needs"
    clear = remedy(clone.run(f"{DOCTOR} --deep"), f"DVC's cache holds .* {useless}")
    assert clear == "dvc gc --workspace --all-commits --all-experiments"
    clone.run(f"{clear} --force")
    assert f"DVC's cache holds nothing {useless}" in clone.run(f"{DOCTOR} --deep")


def test_what_a_power_cut_or_an_edit_damaged_is_rebuilt_by_its_remedy(clone):
    # As hard links: here DVC takes others where the file system can do better.
    clone.run("dvc config --local cache.type hardlink,copy && dvc checkout --relink")
    model, photograph = (clone.root / name for name in ("models/model.onnx", "data/pairs/images"))
    photograph = min(photograph.iterdir())
    before = model.read_bytes(), photograph.read_bytes()
    os.truncate(model, 0)
    with photograph.open("r+b") as file:  # which only root may do
        file.write(b"\0" * 20)
    assert "modified" not in clone.run("dvc repro --quiet; dvc status")
    told = clone.run(f"{DOCTOR} --deep || true")
    clone.run(remedy(told, "1 objects in DVC's cache are empty"))
    clone.run(remedy(told, "2 objects in DVC's cache were changed"))
    assert (model.read_bytes(), photograph.read_bytes()) == before


def remedy(told, problem):
    """The line below the problem."""
    return re.search(rf"{problem}.*\n +(.*)", told)[1]
