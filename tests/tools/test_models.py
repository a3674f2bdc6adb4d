import json
import sys
from pathlib import Path

import pytest
from mlflow_workspace import make_workspace
from pixel_tables import miou_of, pixel_table
from rich.console import Console
from tiny_models import write_onnx
from tiny_pets import write_params

from pipeline.core.files import file_digest, write_csv
from pipeline.records.runs import find_run
from pipeline.records.store import open_store
from pipeline.records.versions import list_versions
from tools.models import main

LOCK = "stages: {evaluate: {params: {params.yaml: {evaluate: {batch_size: 8}}}}}\n"


@pytest.fixture
def restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace as `dvc repro` restores it from a cache: outputs, and no trace in MLflow."""
    make_workspace(tmp_path, monkeypatch)
    for folder in ("models", "metrics"):
        Path(folder).mkdir()
    write_onnx(Path("models/model.onnx"))
    Path("models/checkpoint.pth").write_bytes(b"weights")
    Path("metrics/train.json").write_text(json.dumps({"val_miou": 0.5}))
    evaluate(pet_missed=200)
    Path("dvc.lock").write_text(LOCK)
    write_params(tmp_path)
    return tmp_path


def evaluate(pet_missed: int) -> float:
    """Write what an evaluation leaves; return its mIoU."""
    table = pixel_table(pet_missed)
    write_csv(Path("metrics/tables/per_image.csv"), table)
    Path("metrics/evaluate.json").write_text(json.dumps({"miou": miou_of(table)}))
    return miou_of(table)


def models(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("tools.models.console", Console(width=80))
    monkeypatch.setattr(sys, "argv", ["models", *arguments])
    main()


def test_the_gate_registers_what_a_cache_restored(restored, monkeypatch, capsys):
    models(monkeypatch, "gate")
    models(monkeypatch, "gate")  # registers nothing twice
    assert "Version 1 is @champion: there was no champion." in capsys.readouterr().out
    store = open_store()
    run = find_run(store, file_digest(Path("models/checkpoint.pth")))
    assert run.data.tags["restored"] == "true"
    assert run.data.tags["evaluate.batch_size"] == "8"
    assert run.data.metrics == {"train.val_miou": 0.5, "test.miou": evaluate(pet_missed=200)}
    tables = store.client.list_artifacts(run.info.run_id, "tables")
    assert [table.path for table in tables] == ["tables/per_image.csv"]
    [version] = list_versions(store.uri)
    assert version.aliases == ("challenger", "champion")
    assert (version.run_id, version.tags["test.miou"]) == (run.info.run_id, "0.823188")


def test_the_list_shows_versions_with_aliases_data_set_scores_and_origin(
    restored, monkeypatch, capsys
):
    models(monkeypatch)
    assert "No version is registered yet" in capsys.readouterr().out
    models(monkeypatch, "gate")
    write_onnx(Path("models/model.onnx"), weight=1)
    write_onnx(Path("models/model.int8.onnx"), weight=2)
    Path("metrics/export.json").write_text('{"int8": {"miou": 0.625, "offered": true}}')
    models(monkeypatch, "gate")
    capsys.readouterr()
    models(monkeypatch, "list")
    heading, newest, oldest = map(str.split, capsys.readouterr().out.splitlines()[:3])
    assert " ".join(heading) == "version aliases data set mIoU INT8 offered run date"
    version = list_versions()[0]
    origin = [version.run_id[:8], f"{version.created:%Y-%m-%d}"]
    data = version.tags["data.index_md5"][:7]
    assert newest == ["2", "@challenger", "unknown", data, "0.8232", "0.6250", "yes", *origin]
    assert oldest == ["1", "@champion", "unknown", data, "0.8232", *origin]
