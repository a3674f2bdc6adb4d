"""The pipeline as a whole: from nothing to a champion, and no more work than a change asks for.

tests/end_to_end/test_readme.py sees that all stages, run again with an empty cache, give the same
bytes (`make verify VERSION=1`), and what a changed param reruns.
"""

import json
import re
from pathlib import Path

import pytest
from clone import ALL_STAGES, stages_run

from pipeline.core.files import file_digest

OWN = ("git.commit", "export.git.commit", "mlflow.")  # tags of the process that makes a run


def test_make_runs_every_stage_and_prints_the_scores(clone, finished):
    assert sorted(stages_run(finished.printed)) == sorted(ALL_STAGES)
    miou = json.loads((clone.root / "metrics/evaluate.json").read_text())["miou"]
    assert f"{miou:.4f}" in finished.printed
    assert "What next" in finished.printed


def test_one_finished_run_holds_training_and_test_scores(clone):
    (run,) = clone.runs()
    assert run.info.status == "FINISHED"
    scores = json.loads((clone.root / "metrics/evaluate.json").read_text())
    assert run.data.metrics["test.miou"] == pytest.approx(scores["miou"])
    assert run.data.metrics["test.iou.pet"] == pytest.approx(scores["iou"]["pet"])
    assert {"train.loss", "val.miou", "export.disagreement"} <= run.data.metrics.keys()
    assert run.data.params["train.epochs"] == "1"
    assert run.data.params["split.val_fraction"] == "0.15"
    assert run.data.tags["git.dirty"] == "false"
    (data,) = run.inputs.dataset_inputs
    lock = (clone.root / "dvc.lock").read_text()
    assert data.dataset.digest in lock
    names = {artifact.path for artifact in clone.client.list_artifacts(run.info.run_id, "plots")}
    assert {"plots/train", "plots/evaluate"} <= names
    champion = clone.client.get_model_version_by_alias("pet-segmentation", "champion")
    assert champion.tags["onnx.sha256"] == file_digest(clone.root / "models/model.onnx")


def test_nothing_reruns_without_a_change_and_only_evaluate_would_for_its_pictures(clone):
    output = clone.run("dvc repro")
    assert stages_run(output) == []
    assert "up to date" in output
    assert len(clone.runs()) == 1
    output = clone.run("echo '# changed' >> pipeline/scoring/pictures.py; dvc status")
    assert re.findall(r"^(\w+):$", output, re.MULTILINE) == ["evaluate"]


def test_a_run_of_a_model_from_the_cache_looks_as_its_training(finished, clone, tmp_path):
    cached = finished.copy(tmp_path / "cached")
    cached.run("rm -r mlflow.db mlartifacts && python -m tools.models gate")
    trained, restored = (described(each) for each in (clone, cached))
    # Of the machine that trained it nothing is known any more.
    of_the_machine = {"training.id", "device", "precision", "processes"}
    assert trained["tags"].keys() >= of_the_machine
    trained["tags"] = {k: v for k, v in trained["tags"].items() if k not in of_the_machine}
    trained["files"].remove("lineage/environment.json")
    assert restored["tags"].pop("restored") == "true"
    assert restored == trained


def described(clone):
    """What people see of the clone's oldest run, without times, the machine and the commit."""
    run = clone.runs()[-1]
    metrics = [name for name in run.data.metrics if not name.startswith("system/")]
    histories = {name: clone.client.get_metric_history(run.info.run_id, name) for name in metrics}
    artifacts = Path(clone.root / "mlartifacts" / run.info.run_id / "artifacts")
    [data] = run.inputs.dataset_inputs
    return {
        "params": run.data.params,
        "curves": {name: [(p.step, p.value) for p in histories[name]] for name in metrics},
        "tags": {key: run.data.tags[key] for key in run.data.tags if not key.startswith(OWN)},
        "files": [
            path.relative_to(artifacts).as_posix() for path in sorted(artifacts.rglob("*.*"))
        ],
        "data": (data.dataset.name, data.dataset.digest, data.dataset.profile),
    }
