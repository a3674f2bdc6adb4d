"""The pipeline as a whole: from nothing to a champion, and no more work than a change asks for.

tests/end_to_end/test_readme.py sees that all stages, run again with an empty cache, give the same
bytes (`make verify VERSION=1`), and what a changed param reruns.
"""

import json

import pytest
from clone import ALL_STAGES, stages_run

from pipeline.core.files import file_digest


def test_make_runs_every_stage_and_prints_the_scores(clone, finished):
    assert sorted(stages_run(finished.printed)) == sorted(ALL_STAGES)
    miou = json.loads((clone.root / "metrics/evaluate.json").read_text())["miou"]
    assert f"{miou:.4f}" in finished.printed
    assert "What next" in finished.printed


def test_one_finished_run_holds_training_and_test_scores(clone):
    (run,) = clone.runs()
    assert run.info.status == "FINISHED"
    assert clone.experiment_of(run) == "petseg"
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


def test_nothing_reruns_without_a_change_and_only_evaluate_for_its_pictures(clone):
    output = clone.run("dvc repro")
    assert stages_run(output) == []
    assert "up to date" in output
    assert len(clone.runs()) == 1
    output = clone.run("echo '# changed' >> pipeline/scoring/pictures.py; dvc repro")
    assert stages_run(output) == ["evaluate"]
