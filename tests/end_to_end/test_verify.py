"""`make verify` on the real pipeline with tiny params: the same bytes, or where they part.

A committed version is rebuilt by tests/end_to_end/test_readme.py; more of what can part is tried
on a small pipeline, in tests/tools/test_verify_command.py.
"""

import pytest
from clone import ALL_STAGES, stages_run

pytestmark = pytest.mark.slow


def verify(clone, arguments, status=0):
    return clone.run(f"make verify {arguments}; test $? = {status}")


def test_a_dirty_experiment_comes_again_on_data_that_is_here(clone):
    losses = clone.root / "pipeline/model/losses.py"
    losses.write_text(losses.read_text().replace("entropy + ", "2 * entropy + "))
    [before] = clone.runs()
    clone.run("dvc exp run --set-param train.lr=0.002 && git checkout . && dvc checkout")
    [run] = [each for each in clone.runs() if each.info.run_id != before.info.run_id]
    assert run.data.tags["git.dirty"] == "true"

    output = verify(clone, f"RUN={run.info.run_id} DATA=data/pets")
    assert sorted(stages_run(output)) == sorted(ALL_STAGES[2:])
    assert "identical: checkpoint.pth, model.onnx, model.int8.onnx" in output


def test_another_byte_of_the_data_that_is_here_is_named(clone):
    clone.run("cp --recursive --dereference data/pets changed")
    picture = sorted((clone.root / "changed/images").iterdir())[0]
    picture.chmod(0o644)
    picture.write_bytes(picture.read_bytes() + b"\0")
    output = verify(clone, "VERSION=1 DATA=changed", status=2)
    clone.run("rm --recursive changed")
    assert stages_run(output) == []
    assert f"It starts with the data: images/{picture.name} was" in output
