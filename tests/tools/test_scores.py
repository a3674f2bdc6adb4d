"""The table shows the numbers that are in the files."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from mlflow_workspace import commit, git

from pipeline.core.terminal import UserError
from tools import scores as tool


@pytest.fixture
def metrics(tmp_path, monkeypatch):
    """Every score is 0.5000, 0.5001 and so on, with ends of its own; the border was nowhere."""
    rows = [
        f"{name},{0.5 + place / 1e4},{0.4 + place / 1e4},{0.6 + place / 1e4}"
        for place, name in enumerate(tool.SHOWN)
    ]
    rows = [row if not row.startswith("iou.border") else "iou.border,,," for row in rows]
    monkeypatch.chdir(tmp_path)
    Path("metrics/tables").mkdir(parents=True)
    Path("metrics/tables/scores.csv").write_text("\n".join(["score,value,low,high", *rows]))
    Path("metrics/evaluate.json").write_text(json.dumps({"images": 7}))


def run(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["scores", *options])
    tool.main()


def test_every_score_is_printed_with_its_interval(metrics, monkeypatch, capsys):
    run(monkeypatch)
    printed = capsys.readouterr().out
    for place, name in enumerate(tool.SHOWN):
        known = name != "iou.border"
        assert (f"{0.5 + place / 1e4:.4f}" in printed) == known
        assert (f"{0.4 + place / 1e4:.4f} to {0.6 + place / 1e4:.4f}" in printed) == known
    assert "7 pictures" in printed
    assert "What next" not in printed
    run(monkeypatch, "--next")
    assert "make ui" in capsys.readouterr().out


def test_numbers_that_are_not_committed_are_named_with_the_command_that_does(
    metrics, monkeypatch, capsys
):
    commit(Path())
    run(monkeypatch, "--next")
    assert "git commit" not in capsys.readouterr().out
    Path("metrics/evaluate.json").write_text(json.dumps({"images": 8}))
    run(monkeypatch, "--next")
    printed = capsys.readouterr().out
    assert "metrics/evaluate.json differ from the commit" in printed
    [command] = re.findall(r"git commit .*(?= dvc.lock metrics$)", printed, re.M)
    git(Path(), *shlex.split(command)[1:], "metrics")  # no dvc.lock here
    run(monkeypatch, "--next")
    assert "git commit" not in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["evaluate.json", "tables/scores.csv"])
def test_without_scores_the_error_says_how_to_get_them(metrics, missing, monkeypatch):
    Path("metrics", missing).unlink()
    with pytest.raises(UserError, match=rf"{missing} is missing.*dvc repro"):
        run(monkeypatch)
