"""The model card of a tiny model: one file, with its numbers, nothing from elsewhere."""

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from tiny_models import save_random_model, write_onnx

from pipeline.core.terminal import UserError
from pipeline.data.pets import CLASSES
from pipeline.model.checkpoint import checkpoint_digest
from pipeline.records.runs import find_run, training_run
from pipeline.records.store import open_store
from stages import evaluate
from tools import report as tool

METRICS = {
    "download": {"dataset": "sample"},
    "extract": {},
    "split": {"duplicates_left_out": 0},
    "train": {"best_epoch": 2, "val": {"miou": 0.5}, "images": {"train": 8, "val": 2}}
    | {"parameters": 1234, "precision": "fp32", "processes": 1},
    "export": {
        "bytes": 1_500_000,
        "miou": 0.4321,
        "disagreement": 0.0,
        "int8": {"bytes": 400_000, "miou": 0.4, "disagreement": 0.02, "offered": False},
    },
}


@pytest.fixture
def evaluated(tiny_pets, monkeypatch):
    """A workspace as the stages leave it; only the training and the export were made up."""
    save_random_model(tiny_pets / "models")
    write_onnx(tiny_pets / "models/model.onnx")
    plots = tiny_pets / "metrics/plots"
    with training_run(Path("data/pets"), {"train": {"epochs": 2}}, {}, "id") as run:
        run.finish(checkpoint_digest(tiny_pets / "models"))
    command = "evaluate data/pets data/splits models metrics/evaluate.json metrics/tables"
    monkeypatch.setattr(sys, "argv", [*command.split(), str(plots / "evaluate")])
    evaluate.main()
    for name, values in METRICS.items():
        (tiny_pets / f"metrics/{name}.json").write_text(json.dumps(values))
    (plots / "train").mkdir()
    columns = ("train_loss", "val_loss", "val_miou", *(f"val_iou_{name}" for name in CLASSES))
    curves = {"epoch": [1, 2]} | {name: [0.5, 0.6] for name in columns}
    pd.DataFrame(curves).to_csv(plots / "train/curves.csv", index=False)
    return tiny_pets


def report(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["report", *options])
    tool.main()


def test_the_card_is_one_file_with_the_scores_their_intervals_and_the_origin(
    evaluated, monkeypatch
):
    store = open_store()
    run = find_run(store, checkpoint_digest(evaluated / "models"))
    store.client.set_tag(run.info.run_id, "git.commit", "<script>alert(1)</script>")
    report(monkeypatch)
    [file] = Path("reports").iterdir()
    assert file.name == f"{run.info.run_name}.html"
    kept = MlflowClient(store.uri).list_artifacts(run.info.run_id, "report")
    assert [artifact.path for artifact in kept] == [f"report/{file.name}"]
    report(monkeypatch, "--out", "card.html")
    page = Path("card.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) == 7
    assert all(source.startswith("data:image/") for source in sources)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    scores = pd.read_csv("metrics/tables/scores.csv", index_col="score")
    for name in ("miou", "border_merged.iou_pet", "border_ignored.iou_pet", "boundary_iou_pet"):
        value, low, high = scores.loc[name]
        assert f"{value:.3f}" in page
        assert f"{low:.3f} to {high:.3f}" in page
    for origin in (run.info.run_id, run.data.tags["code.digest"], "train.epochs"):
        assert origin in page
    assert "epoch 2 of 2 was kept" in page
    assert "not as good: used only when asked for" in page
    assert "drawings only" in page


def test_what_is_missing_is_named(evaluated, monkeypatch):
    for missing in ("metrics/tables/slices.csv", "models/checkpoint.pth"):
        (evaluated / missing).unlink()
        with pytest.raises(UserError, match=rf"{missing} is missing.*dvc repro"):
            report(monkeypatch)
