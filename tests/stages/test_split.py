import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.terminal import UserError
from pipeline.data.pets import breed_of, species_of
from stages import split as stage
from stages.split import divide, find_duplicates, read_index, val_quotas

COUNTS = st.lists(st.integers(1, 60), min_size=1, max_size=12).map(
    lambda counts: pd.Series(counts, index=[f"breed{i:02}" for i in range(len(counts))])
)
FRACTIONS = st.floats(0.01, 0.99)


def index_table(trainval: list[str], test: list[str], hashes: dict[str, int] | None = None):
    """An index of the names; hashes are random, unless given."""
    names = sorted(trainval + test)
    bits = np.random.default_rng(0).integers(0, 2**64, len(names), dtype=np.uint64)
    values = dict(zip(names, bits.tolist(), strict=True)) | (hashes or {})
    return pd.DataFrame(
        {
            "name": names,
            "breed": [breed_of(name) for name in names],
            "species": [species_of(name) for name in names],
            "split": ["test" if name in test else "trainval" for name in names],
            "phash": [f"{values[name]:016x}" for name in names],
        }
    )


def named(breed: str, count: int, start: int = 0) -> list[str]:
    return [f"{breed}_{number}" for number in range(start, start + count)]


def run(tmp_path: Path, monkeypatch, index: pd.DataFrame, **params) -> Path:
    """Run the stage as its command line does; return the folder of lists."""
    values = {"val_fraction": 0.2, "train_fraction": 1.0, "duplicate_distance": 6} | params
    (tmp_path / "params.yaml").write_text(json.dumps({"seed": 0, "split": values}))
    index.to_csv(tmp_path / "index.csv", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["split", "index.csv", "splits", "metrics/split.json"])
    stage.main()
    return tmp_path / "splits"


def listed(folder: Path, split: str) -> list[str]:
    return list(pd.read_csv(folder / f"{split}.csv")["name"])


def test_the_official_test_list_is_kept_and_the_rest_is_divided(tmp_path, monkeypatch):
    trainval, test = named("pug", 20) + named("Bengal", 10), named("pug", 5, 50)
    folder = run(tmp_path, monkeypatch, index_table(trainval, test))
    assert listed(folder, "test") == sorted(test)
    train, val = listed(folder, "train"), listed(folder, "val")
    assert sorted(train + val) == sorted(trainval)
    assert (train, val) == (sorted(train), sorted(val))
    assert [breed_of(name) for name in val] == ["Bengal"] * 2 + ["pug"] * 4


def test_a_part_of_train_is_of_all_breeds_and_leaves_the_other_lists_alone(tmp_path, monkeypatch):
    index = index_table(named("pug", 25) + named("Bengal", 50), named("pug", 5, 50))
    whole = run(tmp_path, monkeypatch, index)
    lists = {split: listed(whole, split) for split in ("train", "val", "test")}
    part = run(tmp_path, monkeypatch, index, train_fraction=0.25)
    train = listed(part, "train")
    assert set(train) < set(lists["train"])
    assert sorted(map(breed_of, train)) == ["Bengal"] * 10 + ["pug"] * 5
    assert {split: listed(part, split) for split in ("val", "test")} == {
        split: lists[split] for split in ("val", "test")
    }


def test_the_counts_and_tables_agree_with_the_lists(tmp_path, monkeypatch):
    trainval, test = named("pug", 20) + named("Bengal", 10), named("pug", 5, 50)
    folder = run(tmp_path, monkeypatch, index_table(trainval, test))
    assert json.loads((tmp_path / "metrics" / "split.json").read_text()) == {
        "train": {"total": 24, "cat": 8, "dog": 16},
        "val": {"total": 6, "cat": 2, "dog": 4},
        "test": {"total": 5, "dog": 5},
        "duplicates_left_out": 0,
    }
    assert pd.read_csv(folder / "by_breed.csv").to_numpy().tolist() == [
        ["Bengal", "cat", 8, 2, 0],
        ["pug", "dog", 16, 4, 5],
    ]


def test_near_duplicates_of_test_pictures_are_left_out_and_reported(tmp_path, monkeypatch):
    hashes = {"pug_50": 0, "pug_3": 0b111111, "pug_4": 0b1111111, "pug_5": 0}
    index = index_table(named("pug", 20), named("pug", 3, 50), hashes)
    folder = run(tmp_path, monkeypatch, index)
    assert set(named("pug", 20)) - set(listed(folder, "train") + listed(folder, "val")) == {
        "pug_3",
        "pug_5",
    }
    assert listed(folder, "test") == ["pug_50", "pug_51", "pug_52"]
    assert pd.read_csv(folder / "duplicates.csv").to_dict("list") == {
        "name": ["pug_3", "pug_5"],
        "test_name": ["pug_50", "pug_50"],
        "distance": [6, 0],
    }


def test_of_several_near_test_pictures_the_nearest_is_reported():
    hashes = {"pug_1": 0, "pug_50": 0b11, "pug_51": 0b1, "pug_52": 0b10}
    index = index_table(["pug_1"], named("pug", 3, 50), hashes)
    bits = np.array([int(digits, 16) for digits in index["phash"]], dtype=np.uint64)
    found = find_duplicates(index.assign(phash=bits), 2)
    assert found.to_numpy().tolist() == [["pug_1", "pug_51", 1]]


@given(counts=COUNTS, fraction=FRACTIONS)
def test_each_breed_gives_its_share_within_one_picture(counts, fraction):
    quotas = val_quotas(counts, fraction)
    assert ((quotas - counts * fraction).abs() < 1 + 1e-8).all()
    assert (quotas < counts).all()
    assert (quotas >= 0).all()


@given(counts=COUNTS.map(lambda counts: counts + 100), fraction=st.floats(0.01, 0.98))
def test_the_whole_gives_its_share_within_rounding(counts, fraction):
    assert val_quotas(counts, fraction).sum() == round(counts.sum() * fraction)


def test_remainders_go_to_the_breeds_that_lost_most():
    # Shares of 0.15: 1.05, 1.2, 1.35, 1.5, 1.65 -> 5 rounded down, 7 in all (6.75).
    counts = pd.Series([7, 8, 9, 10, 11], index=list("abcde"))
    assert val_quotas(counts, 0.15).to_list() == [1, 1, 1, 2, 2]


def test_shares_that_are_whole_numbers_stay_whole():
    assert val_quotas(pd.Series({"a": 100}), 0.29).to_list() == [29]


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_a_breed_with_one_picture_keeps_it_in_train(fraction):
    quotas = val_quotas(pd.Series({"a": 1, "b": 100}), fraction)
    assert quotas["a"] == 0


def divided(names: list[str], seed: int = 0, fraction: float = 0.2) -> set[str]:
    return val_names(index_table(names, []), seed, fraction)


def val_names(index: pd.DataFrame, seed: int, fraction: float) -> set[str]:
    train, val = divide(index, fraction, seed)
    assert sorted([*train, *val]) == sorted(index.index)
    return set(index["name"][val])


def test_the_division_is_the_same_every_time_and_for_any_order_and_other_for_another_seed():
    index = index_table(named("pug", 40), [])
    val = val_names(index, 0, 0.2)
    assert val == val_names(index.sample(frac=1, random_state=1), 0, 0.2)
    assert val != divided(named("pug", 40), seed=1)


def test_the_division_is_the_one_computed_by_hand():
    # The two smallest of ten digests of "0:pug_0" ... "0:pug_9" (sha256sum): 6, then 4.
    assert divided(named("pug", 10)) == {"pug_4", "pug_6"}


def test_a_picture_more_moves_at_most_one_of_the_others():
    before = divided(named("pug", 50))
    after = divided(named("pug", 51))
    assert len(before - after) <= 1
    assert divided(named("pug", 50) + named("Bengal", 50)) >= before


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"val_fraction": 0.0}, "split.val_fraction"),
        ({"val_fraction": 1.0}, "split.val_fraction"),
        ({"duplicate_distance": 17}, "split.duplicate_distance"),
        ({"duplicate_distance": -1}, "split.duplicate_distance"),
        ({"folds": 5}, "split.folds"),
    ],
)
def test_params_out_of_range_are_refused(tmp_path, monkeypatch, params, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path, monkeypatch, index_table(["pug_1"], ["pug_2"]), **params)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (index_table(named("pug", 9), []), "no pictures for test"),
        (index_table([], ["pug_1"]), "no pictures for train"),
        (index_table(["pug_1"], ["pug_2"], {"pug_1": 0, "pug_2": 0}), "no pictures for train"),
        (index_table(named("pug", 2), ["pug_9"]), "no pictures for val"),
    ],
)
def test_a_split_without_pictures_is_refused(tmp_path, monkeypatch, index, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path, monkeypatch, index)
    assert not (tmp_path / "splits").exists()


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("phash", ["xyz", "0" * 16], "phash must hold 16 hex digits"),
        ("split", ["train", "test"], "split must be trainval or test"),
        ("name", ["pug_1", "pug_1"], "pug_1 stands there twice"),
    ],
)
def test_an_index_with_bad_values_is_refused(tmp_path, column, values, message):
    path = tmp_path / "index.csv"
    index_table(["pug_1"], ["pug_2"]).assign(**{column: values}).to_csv(path, index=False)
    with pytest.raises(UserError, match=rf"index\.csv: .*{message}"):
        read_index(path)


def test_an_index_in_another_order_is_refused(tmp_path):
    path = tmp_path / "index.csv"
    index_table(named("pug", 5), ["pug_7"]).iloc[::-1].to_csv(path, index=False)
    with pytest.raises(UserError, match=r"index\.csv is not sorted by name; run extract again"):
        read_index(path)


def test_an_index_read_in_parts_is_the_same(tmp_path, monkeypatch):
    path = tmp_path / "index.csv"
    table = index_table(named("pug", 20) + named("Bengal", 10), named("Abyssinian", 5))
    table.to_csv(path, index=False)
    whole = read_index(path)
    monkeypatch.setattr(stage, "ROWS", 7)
    pd.testing.assert_frame_equal(read_index(path), whole)
    assert list(whole["name"]) == list(table["name"])
    assert list(whole["split"]) == list(table["split"])
    assert [f"{bits:016x}" for bits in whole["phash"]] == list(table["phash"])


def test_an_index_without_its_columns_or_without_a_file_is_refused(tmp_path):
    path = tmp_path / "index.csv"
    with pytest.raises(UserError, match=r"index\.csv is missing: run the stage extract"):
        read_index(path)
    index_table(["pug_1"], ["pug_2"]).drop(columns=["phash", "breed"]).to_csv(path, index=False)
    with pytest.raises(UserError, match="no column breed, phash"):
        read_index(path)
