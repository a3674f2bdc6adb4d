"""The table shows the numbers that are in the file."""

import json
import sys

import pytest

from pipeline.terminal import UserError
from tools import scores as tool

SCORES = {
    "images": 7,
    "miou": 0.8123,
    "pixel_accuracy": 0.9456,
    "iou": {"pet": 0.9012, "background": 0.9345, "border": None},
    "dice": {"pet": 0.9481, "background": 0.9661, "border": None},
    "pet_with_border_iou": 0.9234,
    "per_image_miou": 0.7999,
}


def run(monkeypatch, folder, *options):
    monkeypatch.setattr(sys, "argv", ["scores", "--metrics", str(folder), *options])
    tool.main()


def test_every_score_is_printed(tmp_path, monkeypatch, capsys):
    (tmp_path / "evaluate.json").write_text(json.dumps(SCORES))
    run(monkeypatch, tmp_path)
    printed = capsys.readouterr().out
    for score in ("0.8123", "0.9456", "0.9012", "0.9345", "0.9481", "0.9661", "0.9234", "0.7999"):
        assert score in printed
    assert "7 pictures" in printed
    assert "What next" not in printed


def test_what_to_do_next_is_said_on_request(tmp_path, monkeypatch, capsys):
    (tmp_path / "evaluate.json").write_text(json.dumps(SCORES))
    run(monkeypatch, tmp_path, "--next")
    assert "make ui" in capsys.readouterr().out


def test_without_scores_the_error_says_how_to_get_them(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"evaluate\.json is missing.*dvc repro"):
        run(monkeypatch, tmp_path)
