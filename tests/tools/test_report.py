"""The model card of a tiny model: one file, with its numbers, nothing from elsewhere."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from pixel_tables import table_of
from processes import call
from pydantic import TypeAdapter
from tars import tar_of
from tiny_models import save_random_model, write_onnx
from tiny_pets import OXFORD, PETS

from pipeline.core.files import read_csv, write_csv, write_json
from pipeline.core.terminal import UserError, printable
from pipeline.data.classes import Class
from pipeline.data.settings import Normalisation
from pipeline.ingest.extraction import extract
from pipeline.model.checkpoint import checkpoint_digest
from pipeline.model.settings import ModelConfig, ModelParams
from pipeline.records.registry import register_model
from pipeline.records.runs import checkpoint_run, find_run, training_run
from pipeline.records.store import open_store
from pipeline.records.versions import list_versions, model_name
from pipeline.scoring.tables import headline_words
from stages import evaluate
from tools import models, report

METRICS = {
    "download": {"dataset": "sample"},
    "extract": {},
    "split": {"left_out": {"duplicates": 0, "straddling": 0}},
    "train": {"best_epoch": 2, "val": {"miou": 0.5}, "images": {"train": 8, "val": 2}}
    | {"parameters": 1234},
    "export": {
        "bytes": 1_500_000,
        "miou": 0.4321,
        "disagreement": 0.0,
        "int8": {"bytes": 400_000, "miou": 0.4, "disagreement": 0.02, "offered": False},
    },
}


@pytest.fixture
def evaluated(tiny_pets):
    """A workspace as the stages leave it; only the training and the export were made up."""
    save_random_model(tiny_pets / "models")
    write_onnx(tiny_pets / "models/model.onnx")
    plots = tiny_pets / "metrics/plots"
    with training_run(Path("data/pairs"), {"train": {"epochs": 2}}, {}, "id") as run:
        run.finish(checkpoint_digest(tiny_pets / "models"))
    words = "data/pairs data/reviewed data/splits models metrics/evaluate.json metrics/tables"
    call(evaluate, *words.split(), plots / "evaluate")
    for name, values in METRICS.items():
        (tiny_pets / f"metrics/{name}.json").write_text(json.dumps(values))
    (plots / "train").mkdir()
    columns = ("train_loss", "val_loss", "val_miou", *(f"val_iou_{name}" for name in PETS.names))
    curves = {"epoch": [1, 2]} | {name: [0.5, 0.6] for name in columns}
    pd.DataFrame(curves).to_csv(plots / "train/curves.csv", index=False)
    return tiny_pets


def test_the_card_is_one_file_with_the_scores_their_intervals_and_the_origin(evaluated):
    store = open_store()
    run = find_run(store, checkpoint_digest(evaluated / "models"))
    store.client.set_tag(run.info.run_id, "git.commit", "<script>alert(1)</script>")
    call(report)
    [file] = Path("reports").iterdir()
    assert file.name == f"{run.info.run_name}.html"
    kept = MlflowClient(store.uri).list_artifacts(run.info.run_id, "report")
    assert [artifact.path for artifact in kept] == [f"report/{file.name}"]
    call(report, "--out", "card.html")
    page = Path("card.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) == 7
    assert all(source.startswith("data:image/") for source in sources)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    scores = pd.read_csv("metrics/tables/scores.csv", index_col="score")
    for name in ("miou", "border_merged.iou.pet", "border_ignored.iou.pet", "boundary_iou.pet"):
        value, low, high = scores.loc[name]
        assert f"{value:.3f}" in page
        assert f"{low:.3f} to {high:.3f}" in page
    for origin in (run.info.run_id, run.data.tags["code.digest"], "train.epochs"):
        assert origin in page
    assert "epoch 2 of 2 was kept" in page
    assert "not as good: used only when asked for" in page
    assert "drawings only" in page
    assert "gives every pixel of an image the class pet, background or border." in page
    assert "border merged: pet and border count as pet." in " ".join(page.split())


def test_the_reviewed_list_and_added_photographs_have_their_scores(evaluated):
    call(report, "--out", "card.html")
    assert "reviewed" not in Path("card.html").read_text()
    scores = json.loads(Path("metrics/evaluate.json").read_text())
    interval = {"miou_low": 0.8111, "miou_high": 0.9222}
    reviewed = {"decisions": {"leave out": 1, "swap": 2}, "images": 2, "miou": 0.8765, **interval}
    added = {"images": 23, "miou": 0.75, "miou_low": 0.5, "miou_high": 0.8125}
    scores |= {"reviewed": reviewed, "added": added}
    Path("metrics/evaluate.json").write_text(json.dumps(scores))
    call(report, "--out", "card.html")
    page = " ".join(Path("card.html").read_text().split())
    assert "3 decisions (leave out: 1, swap: 2)" in page
    assert "2 images with the corrected masks, mIoU is 0.876 (0.811 to 0.922)" in page
    assert "On 23 photographs that people added" in page


def test_a_model_of_forty_classes_without_foreground_has_its_card(evaluated):
    entries = tuple(Class(f"c{n}", f"#0000{n:02x}") for n in range(40))
    classes = replace(PETS, entries=entries, readings={}, groups=(), ignore=255)
    config = ModelConfig(ModelParams(features=(4, 8)), classes, 32, Normalisation())
    write_json(Path("models/config.json"), TypeAdapter(ModelConfig).dump_python(config))
    counted = np.ones((3, 40, 3), np.int64)
    counted[:, 39] = 0  # on no image
    write_csv(
        Path("metrics/tables/per_image.csv"), table_of(["a", "b", "c"], counted, classes.names)
    )
    kinds = ("iou", "dice", "boundary_iou", "per_image.iou", "per_image.dice")
    names = [f"{kind}.{name}" for kind in kinds for name in classes.names]
    others = [name for name in headline_words(classes) if name not in names]
    rows = [(name, 0.5, 0.25, 0.75) for name in (*names, *others)]
    table = pd.DataFrame(rows, columns=["score", "value", "low", "high"])
    table.loc[table["score"].str.endswith(".c39"), ["value", "low", "high"]] = np.nan
    write_csv(Path("metrics/tables/scores.csv"), table)
    Path("metrics/download.json").write_text(json.dumps({"dataset": "roads"}))
    call(report, "--out", "card.html")
    page = Path("card.html").read_text()
    assert "gives every pixel of an image one of 40 classes" in page
    assert "images like those of the data set roads, 8 of which it was trained on" in page
    assert page.count("<td>IoU of c") == page.count("<td>Boundary IoU of c") == 30
    assert "<summary>All 40 classes</summary>" in page
    assert page.count('background: #000027"></i> c39 (absent)') == 2
    assert "border" not in page.partition("<body>")[2].replace("border-", "")
    assert "drawings" not in page


HOSTILE = "=HYPERLINK(0)<script>[/b]x\x1b[31m`](//e.org)\n"


def test_a_hostile_text_is_escaped_wherever_people_read_it(evaluated, capsys):
    """As the name of a file, a breed, a data set, and in a version's tags."""
    quarantined(evaluated, HOSTILE.replace("/", ""))
    # The version, its description and its run's.
    lock = {"stages": {"download": {"params": {"params.yaml": {"download.dataset": HOSTILE}}}}}
    Path("dvc.lock").write_text(json.dumps(lock))
    with checkpoint_run("of a cache", Path("data/pairs")) as run:
        register_model(run, Path("models/model.onnx"), {"test": {"miou": 0.5, "images": 3}})
    client, [version] = open_store().client, list_versions()
    assert version.tags["data.name"] == HOSTILE
    described = client.get_model_version(model_name(), "1").description
    assert described == client.get_run(run.run_id).data.tags["mlflow.note.content"]
    assert len(described.splitlines()) == 11
    assert described.startswith(
        "mIoU `0.5` (95 % interval `unknown` to `unknown`) on `3` test images"
    )
    harmless(described)
    # The list of versions, which one of them must not break for all.
    client.set_model_version_tag(model_name(), "1", "test.miou", "n/a")
    capsys.readouterr()
    call(models, "list")
    told = capsys.readouterr().out
    assert "=HYPERLINK(0)<script>[/b]x\\x1b[31m" in told
    assert "\x1b" not in told
    # The report.
    trained = find_run(open_store(), checkpoint_digest(evaluated / "models")).info.run_id
    client.set_tag(trained, "data.name", HOSTILE)
    slices = read_csv(Path("metrics/tables/slices.csv"))
    write_csv(Path("metrics/tables/slices.csv"), slices.assign(group=HOSTILE, slice="size"))
    Path("metrics/download.json").write_text(json.dumps({"dataset": HOSTILE}))
    call(report, "--out", "card.html")
    page = Path("card.html").read_text()
    assert page.count("=HYPERLINK(0)&lt;script&gt;") > 2
    harmless(page)


def quarantined(root, name):
    """Extract an image of this name, which is in no list: a table for spreadsheets names it."""
    (root / "raw").mkdir()
    (root / "raw/images.tar").write_bytes(tar_of({f"images/{name}.jpg": b""}))
    lists = {f"annotations/{split}.txt": b"Bengal_1" for split in ("trainval", "test")}
    trimaps = {"annotations/trimaps/Bengal_1.png": b""}
    (root / "raw/annotations.tar").write_bytes(tar_of(lists | trimaps))
    extract(OXFORD, Path("oxford.yaml"), root / "raw", root / "made", 1.0)
    row = next(csv.DictReader((root / "made/quarantine.csv").open(newline="")))
    assert row["name"] == f"'{printable(name)}"


def harmless(text):
    assert "<script" not in text
    assert "\x1b" not in text


def test_what_is_missing_is_named(workspace):
    with pytest.raises(UserError, match=r"models/checkpoint\.pth is missing.*dvc repro"):
        call(report)
