"""The table shows the numbers that are in the files."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow_workspace import commit, git
from processes import call
from pydantic import TypeAdapter
from tiny_pets import PETS

from pipeline.core.files import write_json
from pipeline.core.terminal import UserError
from pipeline.data.classes import Class
from pipeline.data.settings import Normalisation
from pipeline.model.settings import ModelConfig, ModelParams
from pipeline.scoring.tables import headline_words
from tools import scores

WORDS = headline_words(PETS)
MANY = replace(PETS, readings={}, entries=tuple(Class(f"c{n}", "#000000") for n in range(40)))


def write_metrics(classes):
    """Every score is 0.5000, 0.5001 and so on, with ends of its own; the border was nowhere."""
    rows = [
        f"{name},{0.5 + place / 1e4},{0.4 + place / 1e4},{0.6 + place / 1e4}"
        for place, name in enumerate(headline_words(classes))
    ]
    rows = [row if not row.startswith("iou.border") else "iou.border,,," for row in rows]
    Path("metrics/tables").mkdir(parents=True, exist_ok=True)
    Path("metrics/tables/scores.csv").write_text("\n".join(["score,value,low,high", *rows]))
    Path("metrics/evaluate.json").write_text(json.dumps({"images": 7}))
    config = ModelConfig(ModelParams(features=(4, 8)), classes, 32, Normalisation())
    write_json(Path("models/config.json"), TypeAdapter(ModelConfig).dump_python(config))


@pytest.fixture
def metrics(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_metrics(PETS)


def test_the_table_of_another_model_is_told(metrics):
    table = Path("metrics/tables/scores.csv").read_text()
    write_metrics(MANY)
    Path("metrics/tables/scores.csv").write_text(table)
    with pytest.raises(UserError, match=r"tables is of another model than models/config\.json"):
        call(scores)


def test_every_score_is_printed_with_its_interval(metrics, capsys):
    call(scores)
    printed = capsys.readouterr().out
    for place, name in enumerate(WORDS):
        known = name != "iou.border"
        assert (f"{0.5 + place / 1e4:.4f}" in printed) == known
        assert (f"{0.4 + place / 1e4:.4f} to {0.6 + place / 1e4:.4f}" in printed) == known
    assert re.search(r"IoU of border +│ +absent", printed)
    assert "7 pictures" in printed
    assert "What next" not in printed
    call(scores, "--next")
    assert "make ui" in capsys.readouterr().out


def test_the_reviewed_list_is_told_of_beside_the_headline(metrics, capsys):
    reviewed = {"decisions": {"leave out": 2, "right": 3}, "images": 5, "miou": 0.8765}
    Path("metrics/evaluate.json").write_text(json.dumps({"images": 7, "reviewed": reviewed}))
    call(scores)
    printed = capsys.readouterr().out
    assert "7 pictures" in printed
    assert "mIoU on the list as reviewed: 0.8765 (5 decisions)" in printed


def test_of_many_classes_the_lowest_are_shown_and_the_others_counted(metrics, capsys):
    write_metrics(MANY)  # without foreground: each class has a Boundary IoU, too
    call(scores)
    printed = capsys.readouterr().out
    for kind in (r"IoU of c\d+ ", r"Boundary IoU of c\d+ "):
        assert len(re.findall(f"│ {kind}", printed)) == 30
    assert "c29 " in printed
    assert "c30 " not in printed
    assert "20 scores of classes that do better: metrics/tables/scores.csv" in printed


def test_numbers_that_are_not_committed_are_named_with_the_command_that_does(metrics, capsys):
    commit(Path())
    call(scores, "--next")
    assert "git commit" not in capsys.readouterr().out
    Path("metrics/evaluate.json").write_text(json.dumps({"images": 8}))
    call(scores, "--next")
    printed = capsys.readouterr().out
    assert "metrics/evaluate.json differ from the commit" in printed
    [command] = re.findall(r"git commit .*(?= dvc.lock metrics$)", printed, re.M)
    git(Path(), *shlex.split(command)[1:], "metrics")  # no dvc.lock here
    call(scores, "--next")
    assert "git commit" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "missing", ["metrics/evaluate.json", "metrics/tables/scores.csv", "models/config.json"]
)
def test_without_scores_the_error_says_how_to_get_them(metrics, missing):
    Path(missing).unlink()
    with pytest.raises(UserError, match=rf"{missing} is missing.*dvc repro"):
        call(scores)
