"""The grid holds the pictures asked for, the same ones for the same seed."""

import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tiny_pets import write_pair

from pipeline.core.terminal import UserError
from pipeline.data.pairs import PALETTE
from pipeline.data.splits import read_split
from pipeline.scoring.pictures import MARGIN, TEXT
from tools import visualize as tool


def run(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["visualize", *options])
    tool.main()


def test_the_grid_is_written_and_grows_with_the_count(tiny_pets, monkeypatch):
    """Three pairs a row, of at most 240x220 pixels each."""
    for count in ("1", "3", "4"):
        run(monkeypatch, "--count", count, "--out", f"{count}.png")
    one, three, four = (Image.open(f"{count}.png") for count in (1, 3, 4))
    assert 2 * 240 <= one.width < 3 * 240
    assert 6 * 240 <= three.width == four.width < 7 * 240
    assert one.height == three.height
    assert 220 < four.height - three.height < 260


def test_the_legend_shows_the_colours_of_pet_and_border(tiny_pets):
    header = np.asarray(tool.draw(tiny_pets / "data/pairs", ["pug_1"]))[: TEXT + 2 * MARGIN]
    assert (header == PALETTE[0]).all(axis=-1).sum() > 100
    assert (header < 100).all(axis=-1).any()  # its words


def test_the_longest_name_fits_below_its_picture(tmp_path):
    """The caption's last letter ends before the next picture begins."""
    name = "staffordshire_bull_terrier_200"
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
