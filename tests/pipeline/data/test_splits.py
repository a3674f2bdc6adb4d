"""A split list that cannot be used is named."""

import pytest

from pipeline.core.terminal import UserError
from pipeline.data.splits import evenly_spaced, read_split


def test_a_missing_or_empty_list_is_named(tmp_path):
    with pytest.raises(UserError, match=r"train\.csv is missing"):
        read_split(tmp_path / "train.csv")
    (tmp_path / "train.csv").write_text("name,breed,species\n")
    with pytest.raises(UserError, match=r"train\.csv lists no pictures"):
        read_split(tmp_path / "train.csv")


def test_items_are_evenly_spaced_over_the_list():
    names = [str(number) for number in range(10)]
    assert evenly_spaced(names, 4) == ["0", "3", "6", "9"]
    assert evenly_spaced(names, 99) == names
