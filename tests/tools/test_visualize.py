"""The grid holds the pictures asked for, the same ones for the same seed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from processes import call
from tiny_pets import PETS, write_pair

from pipeline.core.terminal import UserError
from pipeline.data.classes import IGNORE
from pipeline.data.splits import read_split
from pipeline.scoring.pictures import MARGIN, TEXT
from tools import visualize as tool


def test_the_grid_is_written_and_grows_with_the_count(tiny_pets):
    """Three pairs a row, of at most 240x220 pixels each."""
    for count in ("1", "3", "4"):
        call(tool, "--count", count, "--out", f"{count}.png")
    one, three, four = (Image.open(f"{count}.png") for count in (1, 3, 4))
    assert 2 * 240 <= one.width < 3 * 240
    assert 6 * 240 <= three.width == four.width < 7 * 240
    assert one.height == three.height
    assert 220 < four.height - three.height < 260


def test_the_legend_shows_the_colours_of_pet_and_border(tiny_pets):
    header = np.asarray(tool.draw(tiny_pets / "data/pairs", ["pug_1"], PETS))[: TEXT + 2 * MARGIN]
    assert (header == PETS.palette[0]).all(axis=-1).sum() > 100
    assert (header < 100).all(axis=-1).any()  # its words


def test_the_longest_name_fits_below_its_picture(tmp_path):
    """The caption's last letter ends before the next picture begins."""
    name = "staffordshire_bull_terrier_200"
    write_pair(tmp_path, name, 500, 333)
    sheet = np.asarray(tool.draw(tmp_path, [name], PETS))
    caption = sheet[-TEXT - MARGIN : -MARGIN // 2, : MARGIN + 240]
    columns = np.flatnonzero((caption < 128).all(axis=-1).any(axis=0))
    assert columns[0] >= MARGIN
    assert columns[-1] < MARGIN + 240 - 4


def test_the_seed_decides_which_pictures(tiny_pets):
    table = read_split(tiny_pets / "data/splits/train.csv")
    chosen = [tool.choose(table, None, 4, seed)["name"].tolist() for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert len(set(chosen[0])) == 4


def test_a_label_of_any_group_may_be_written_in_any_case_and_an_unknown_one_gets_the_list(
    tiny_pets,
):
    columns = {"breed": ["pug", "pug", "Maine_Coon"], "film": [7, 8, 8]}
    table = pd.DataFrame({"name": ["a_1", "a_2", "b_1"], **columns})
    for written, names in (("PUG", {"a_1", "a_2"}), ("maine coon", {"b_1"}), ("7", {"a_1"})):
        assert set(tool.choose(table, written, 10, 0)["name"]) == names
    with pytest.raises(UserError, match=r"--group x: .*known: breed Bengal, .*; species cat, dog"):
        call(tool, "--group", "x")
    with pytest.raises(UserError, match="the data set has no groups"):
        tool.choose(table[["name"]], "x", 10, 0)


def test_a_caption_has_the_share_of_the_foreground_else_of_the_largest_class():
    mask = np.array([[0, 1, 1, 1, IGNORE]], np.uint8)
    assert tool._content(mask, PETS) == "20% pet"
    plain = replace(PETS, entries=tuple(replace(each, role=None) for each in PETS.entries))
    assert tool._content(mask, plain) == "60% background"
