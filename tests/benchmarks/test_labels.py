"""Each damage is what it is called, and the table counts what was found."""

import json

import numpy as np
import pandas as pd
import pytest
from processes import call
from tiny_pets import PETS, write_params

from benchmarks import labels as bench

PET, BACKGROUND, BORDER = range(3)
MASK = np.full((40, 40), BACKGROUND, np.uint8)
MASK[10:30, 10:30] = BORDER
MASK[12:28, 12:28] = PET


def damaged(way, other=MASK):
    return bench.damage(MASK, way, other, PETS, np.random.default_rng(0))


def test_the_damages_are_what_they_are_called():
    swapped = damaged("swapped")
    assert (swapped[MASK == PET] == BACKGROUND).all()
    assert (swapped[MASK == BACKGROUND] == PET).all()
    assert (swapped[MASK == BORDER] == BORDER).all()
    assert set(damaged("empty").ravel()) == {BACKGROUND}
    assert set(damaged("full").ravel()) == {PET}
    assert damaged("another's mask", MASK[:20]).shape == MASK.shape


def test_a_shifted_mask_lies_elsewhere_and_a_part_of_another_is_gone():
    rows, columns = np.nonzero(damaged("shifted") == PET)
    assert 1.5 < np.hypot(rows.mean() - 19.5, columns.mean() - 19.5) < 7
    left = np.count_nonzero(damaged("part missing") == PET) / np.count_nonzero(MASK == PET)
    assert 1 - bench.MISSING[1] - 0.05 < left < 1 - bench.MISSING[0] + 0.05


def test_the_shares_are_counted_by_damage_and_in_all():
    table = pd.DataFrame(
        {
            "damage": ["empty", "empty", "full"],
            "known": [True, True, False],
            "mIoU": [True, False, False],
            "ours": [True, True, False],
        }
    )
    found = bench.count_found(table)
    assert found["empty"] == {"damaged": 2, "known": 1, "mIoU": 0.5, "ours": 1}
    assert found["all"]["ours"] == pytest.approx(2 / 3, abs=1e-4)
    assert [*found] == ["empty", "full", "all"]


@pytest.mark.nightly
def test_it_runs_and_its_last_line_holds_the_shares(tiny_pets, monkeypatch, capsys):
    write_params(tiny_pets, labels={"folds": 2}, train={"epochs": 1})
    monkeypatch.setattr(bench, "SHARE", 0.5)
    pairs = tiny_pets / "data/pairs"
    before = {file: file.read_bytes() for file in pairs.rglob("*.*")}
    call(bench, "--seeds", "1")
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["found"]
    assert found["all"]["damaged"] == sum(n["damaged"] for n in found.values()) / 2 == 7
    assert {"ours", "mIoU", "known"} <= found["all"].keys()
    assert before == {file: file.read_bytes() for file in pairs.rglob("*.*")}
