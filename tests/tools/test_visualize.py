"""The grid holds the pictures asked for, the same ones for the same seed."""

import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tiny_pets import write_pair

from pipeline.core.terminal import UserError
from pipeline.data.pets import PALETTE
from pipeline.data.splits import read_split
from pipeline.scoring.pictures import MARGIN, TEXT
from tools import visualize as tool


def run(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["visualize", *options])
    tool.main()


def test_the_grid_is_written_and_grows_with_the_count(tiny_pets, monkeypatch):
    """Three pairs a row, of at most 240x220 pixels each."""
    for count in ("1", "3", "4", "6", "8"):
        run(monkeypatch, "--count", count, "--out", f"{count}.png")
    sizes = [Image.open(f"{count}.png").size for count in (1, 3, 4, 6, 8)]
    widths, heights = zip(*sizes, strict=True)
    assert 2 * 240 <= widths[0] < 3 * 240
    assert 6 * 240 <= widths[1] < 7 * 240
    assert widths[1:] == (widths[1],) * 4
    row = heights[2] - heights[1]
    assert 220 < row < 260
    assert [height - heights[0] for height in heights] == [0, 0, row, row, 2 * row]


def test_the_legend_shows_the_colours_of_pet_and_border(tiny_pets):
    header = np.asarray(tool.draw(tiny_pets / "data/pets", ["pug_1"]))[: TEXT + 2 * MARGIN]
    assert (header == PALETTE[0]).all(axis=-1).sum() > 100
    assert (header < 100).all(axis=-1).any()  # its words


@pytest.mark.parametrize("breed", ["staffordshire_bull_terrier", "american_pit_bull_terrier"])
def test_the_longest_names_fit_below_their_pictures(tmp_path, breed):
    """The caption's last letter ends before the next picture begins."""
    name = f"{breed}_200"
    write_pair(tmp_path, name, 500, 333)
    sheet = np.asarray(tool.draw(tmp_path, [name]))
    caption = sheet[-TEXT - MARGIN : -MARGIN // 2, : MARGIN + 240]
    columns = np.flatnonzero((caption < 128).all(axis=-1).any(axis=0))
    assert columns[0] >= MARGIN
    assert columns[-1] < MARGIN + 240 - 4


def test_the_seed_decides_which_pictures(tiny_pets):
    table = read_split(tiny_pets / "data/splits/train.csv")
    chosen = [tool.choose(table, None, 4, seed)["name"].tolist() for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert len(set(chosen[0])) == 4


def test_a_breed_may_be_written_in_any_case_and_an_unknown_one_gets_the_list(
    tiny_pets, monkeypatch
):
    table = pd.DataFrame({"name": ["a_1", "a_2", "b_1"], "breed": ["pug", "pug", "Maine_Coon"]})
    for written, names in (("PUG", {"a_1", "a_2"}), ("maine coon", {"b_1"})):
        assert set(tool.choose(table, written, 10, 0)["name"]) == names
    with pytest.raises(UserError, match=r"--breed unicorn.*Bengal, Sphynx, pug"):
        run(monkeypatch, "--breed", "unicorn")


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["--split", "all"], "choose from"), (["--count", "0"], "0 is too small")],
)
def test_what_cannot_be_drawn_gets_what_is_accepted(monkeypatch, capsys, options, reason):
    with pytest.raises(SystemExit):
        run(monkeypatch, *options)
    assert reason in capsys.readouterr().err
