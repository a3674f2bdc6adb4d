"""The grid holds the pictures asked for, the same ones for the same seed."""

import sys

import pytest
from PIL import Image

from pipeline.data.splits import read_split
from pipeline.terminal import UserError
from tools import visualize as tool


def run(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["visualize", *options])
    tool.main()


def test_the_grid_is_written_and_grows_with_the_count(tiny_pets, monkeypatch):
    run(monkeypatch, "--count", "2", "--out", "two.png")
    run(monkeypatch, "--count", "6", "--out", "six.png")
    two, six = Image.open("two.png"), Image.open("six.png")
    assert two.width == six.width
    assert six.height > 2.5 * two.height


def test_the_seed_decides_which_pictures(tiny_pets):
    table = read_split(tiny_pets / "data/splits/train.csv")
    chosen = [tool.choose(table, None, 4, seed)["name"].tolist() for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert len(set(chosen[0])) == 4


def test_one_breed_can_be_asked_for(tiny_pets):
    table = read_split(tiny_pets / "data/splits/train.csv")
    assert set(tool.choose(table, "pug", 10, 0)["name"]) == {"pug_1", "pug_2", "pug_3"}


def test_an_unknown_breed_gets_the_list_of_known_ones(tiny_pets, monkeypatch):
    with pytest.raises(UserError, match=r"--breed unicorn.*Bengal, Sphynx, pug"):
        run(monkeypatch, "--breed", "unicorn")
