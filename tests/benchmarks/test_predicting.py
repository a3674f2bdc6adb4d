"""Both sides write the same pictures, and the ratio is of their medians; no time is asserted."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_models import write_traffic_light

from benchmarks import predicting
from pipeline.core.terminal import UserError


@pytest.fixture
def model(tiny_pets):
    return write_traffic_light(Path("models/model.onnx"))


def bench(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["predicting", *arguments])
    predicting.main()


def test_both_sides_write_the_same_pictures(model, tmp_path):
    photographs = predicting.choose(Path("data/pets/images"), 5)
    assert len(photographs) == 5
    for name, side in (
        ("plain", predicting.plain_side(model)),
        ("ours", predicting.our_side(model, 2)),
    ):
        (tmp_path / name).mkdir()
        side(photographs, tmp_path / name)
    names = {
        kind: sorted(f.name for f in (tmp_path / kind).iterdir()) for kind in ("plain", "ours")
    }
    assert names["plain"] == names["ours"]
    assert len(names["ours"]) == 4 * 5
    for name in names["ours"]:
        plain, ours = (Image.open(tmp_path / side / name) for side in ("plain", "ours"))
        assert plain.mode == ours.mode
        np.testing.assert_array_equal(np.asarray(plain), np.asarray(ours))


def test_the_last_line_holds_both_sides_and_their_ratio(model, monkeypatch, capsys):
    bench(monkeypatch, "--quick", "--count", "3", "--threads", "2")
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["photographs"], found["threads"]) == (3, 2)
    medians = found["medians"]
    assert medians.keys() == {"plain", "ours"}
    assert min(medians.values()) > 0
    assert found["ratios"] == {"predicting.ours_to_plain": medians["ours"] / medians["plain"]}


def test_a_folder_without_photographs_says_what_to_run(model, monkeypatch):
    with pytest.raises(UserError, match="nowhere holds no photographs: run make first"):
        bench(monkeypatch, "--photographs", "nowhere")
