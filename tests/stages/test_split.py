import csv
import json
from collections import Counter
from dataclasses import replace
from itertools import chain
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import call
from pydantic import TypeAdapter
from tiny_pets import OXFORD, PETS

from pipeline.core.files import write_json
from pipeline.core.terminal import UserError
from pipeline.data.classes import FILE, Classes
from pipeline.data.description import group_of
from stages import split as stage
from stages.split import Entry, draw_apart, draw_by_share, quotas, read_index

SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=12).map(
    lambda sizes: {f"breed{number:02}": size for number, size in enumerate(sizes)}
)


def index_of(trainval: list[str], test: list[str], **hashes: int) -> list[Entry]:
    """An index of the names; hashes are random, unless given."""
    bits = Random(0)
    return [
        Entry(
            name,
            tuple(group_of(name, rule) for rule in OXFORD.groups.values()),
            "test" if name in test else "trainval",
            hashes.get(name, bits.getrandbits(64)),
        )
        for name in sorted(trainval + test)
    ]


def films(**sizes: int) -> list[Entry]:
    """An index of films of so many frames; a_test=3 gives three of film a in the test list."""
    bits = Random(0)
    return [
        Entry(f"{key}_{number:02}", (film,), split, bits.getrandbits(64))
        for key, size in sorted(sizes.items())
        for film, _, split in (key.partition("_"),)
        for number in range(size)
    ]


def named(breed: str, count: int, start: int = 0) -> list[str]:
    return [f"{breed}_{number}" for number in range(start, start + count)]


def write_index(folder: Path, index: list[Entry], groups: tuple[str, ...]) -> None:
    """index.csv and dataset.json."""
    with (folder / "index.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("name", *groups, "split", "phash", "note"))
        table.writerows((e.name, *e.groups, e.split, f"{e.phash:016x}", "PNG") for e in index)
    classes = replace(PETS, groups=groups)
    write_json(folder / FILE, TypeAdapter(Classes).dump_python(classes))


def run(
    folder: Path, monkeypatch, index: list[Entry], groups=PETS.groups, **params
) -> dict[str, list[str]]:
    """Run the stage as its command line does; return the names in the lists."""
    values = {"by": "stratify", "test_fraction": 0.25, "val_fraction": 0.2, "train_fraction": 1.0}
    values |= {"held_out_fraction": 0.25, "duplicate_distance": 6} | params
    (folder / "params.yaml").write_text(json.dumps({"seed": 0, "split": values}))
    write_index(folder, index, groups)
    monkeypatch.chdir(folder)
    call(stage, ".", "reviewed", "splits", "metrics/split.json")
    return {
        split: [row[0] for row in rows(folder / f"splits/{split}.csv")]
        for split in ("train", "val", "test")
    }


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


TRAINVAL, TEST = named("pug", 20) + named("Bengal", 10), named("pug", 5, 50)


def test_the_official_test_list_is_kept_and_the_rest_divided_by_breed(tmp_path, monkeypatch):
    lists = run(tmp_path, monkeypatch, index_of(TRAINVAL, TEST))
    assert lists["test"] == sorted(TEST)
    assert sorted(lists["train"] + lists["val"]) == sorted(TRAINVAL)
    assert lists == {split: sorted(names) for split, names in lists.items()}
    assert json.loads((tmp_path / "metrics/split.json").read_text()) == {
        "train": {"total": 24},
        "val": {"total": 6},
        "test": {"total": 5},
        "left_out": {"duplicates": 0, "straddling": 0},
    }
    assert (tmp_path / "splits/by_group.csv").read_text() == (
        "breed,species,train,val,test\nBengal,cat,8,2,0\npug,dog,16,4,5\n"
    )
    assert (tmp_path / "splits/test.csv").read_text().startswith("name,breed,species\npug_50,pug,")


def test_a_part_of_train_has_all_breeds_and_leaves_the_other_lists_alone(tmp_path, monkeypatch):
    index = index_of(named("pug", 25) + named("Bengal", 50), TEST)
    whole = run(tmp_path, monkeypatch, index)
    part = run(tmp_path, monkeypatch, index, train_fraction=0.25)
    assert set(part["train"]) < set(whole["train"])
    assert Counter(name.rpartition("_")[0] for name in part["train"]) == {"Bengal": 10, "pug": 5}
    assert (part["val"], part["test"]) == (whole["val"], whole["test"])


def test_near_duplicates_of_test_images_are_left_out_and_reported(tmp_path, monkeypatch):
    index = index_of(TRAINVAL, TEST, pug_52=0, pug_3=0b111111, pug_4=0b1111111, pug_5=0)
    lists = run(tmp_path, monkeypatch, index)
    assert set(TRAINVAL) - set(lists["train"] + lists["val"]) == {"pug_3", "pug_5"}
    assert lists["test"] == TEST
    assert (tmp_path / "splits/duplicates.csv").read_text() == (
        "name,test_name,distance\npug_3,pug_52,6\npug_5,pug_52,0\n"
    )


def review(folder: Path, **decisions: str) -> None:
    """decisions.csv as extract writes it; no decision here has commas in it."""
    (folder / "reviewed").mkdir(exist_ok=True)
    lines = [f"{name},{decision}" for name, decision in decisions.items()]
    table = "\n".join(["name,decision,reason", *lines, ""])
    (folder / "reviewed/decisions.csv").write_text(table)


def test_what_people_left_out_is_not_trained_on_but_stays_in_the_test_list(tmp_path, monkeypatch):
    index = index_of(TRAINVAL, TEST)
    before = run(tmp_path, monkeypatch, index)
    [in_train, other], [in_val] = before["train"][:2], before["val"][:1]
    unwanted = dict.fromkeys((in_train, in_val, TEST[0]), "leave out,blurred")
    review(tmp_path, **unwanted, **{other: "file,"})
    after = run(tmp_path, monkeypatch, index)
    assert after["train"] == before["train"][1:]
    assert after["val"] == before["val"][1:]
    assert after["test"] == before["test"]
    left_out = json.loads((tmp_path / "metrics/split.json").read_text())["left_out"]
    assert left_out == {"duplicates": 0, "straddling": 0, "reviewed": 2}


def test_a_decision_against_a_test_mask_needs_a_reason(tmp_path, monkeypatch):
    review(tmp_path, pug_50="leave out,", pug_51="right,")
    with pytest.raises(UserError, match="pug_50 is in the test list: give the reason for 'leave"):
        run(tmp_path, monkeypatch, index_of(TRAINVAL, TEST))


def test_added_pairs_are_trained_on_alone_and_move_no_other(tmp_path, monkeypatch):
    index = index_of(TRAINVAL, TEST, pug_50=0)
    before = run(tmp_path, monkeypatch, index)
    review(tmp_path)
    new = index_of(["new_1", "pug_99"], [], new_1=1)
    added = [entry._replace(split="added") for entry in new]
    write_index(tmp_path / "reviewed", added, PETS.groups)
    after = run(tmp_path, monkeypatch, index, held_out_fraction=0)
    assert after == before | {"train": sorted([*before["train"], "pug_99"])}
    assert rows(tmp_path / "splits/duplicates.csv") == [["new_1", "pug_50", "1"]]
    assert not (tmp_path / "splits/added.csv").exists()


@pytest.mark.parametrize(
    ("by", "group"),
    [("stratify", ""), ("apart", "g{}"), ("apart", "")],  # the last: none fits
)
def test_a_part_of_the_added_pairs_is_held_out_whatever_else_is_added(
    tmp_path, monkeypatch, by, group
):
    review(tmp_path)
    index, held_out = index_of(TRAINVAL, named("boxer", 5)), []
    for number in (40, 80):
        added = [
            Entry(
                f"new_{n:02}",
                (group.format(n // 2), ""),
                "added",
                n * 0x9E3779B97F4A7C15 % 2**64,
            )
            for n in range(number)
        ]
        write_index(tmp_path / "reviewed", added, PETS.groups)
        lists = run(tmp_path, monkeypatch, index, by=by, val_fraction=0.5, duplicate_distance=0)
        held_out.append({row[0] for row in rows(tmp_path / "splits/added.csv")})
        names = {entry.name for entry in added}
        assert held_out[-1] == names - set(lists["train"])
        assert 0.1 < len(held_out[-1]) / number < 0.5
        counted = json.loads((tmp_path / "metrics/split.json").read_text())
        assert counted["added"]["total"] == len(held_out[-1])
    assert held_out[0] == {name for name in held_out[1] if int(name.removeprefix("new_")) < 40}


def test_reviewed_files_of_the_lists_that_train_uses_lie_beside_them(tmp_path, monkeypatch):
    review(tmp_path)
    for file in ("masks/pug_1.png", "images/pug_1.jpg", f"masks/{TEST[0]}.png"):
        (tmp_path / "reviewed" / file).parent.mkdir(exist_ok=True)
        (tmp_path / "reviewed" / file).write_text(file)
    run(tmp_path, monkeypatch, index_of(TRAINVAL, TEST))
    copied = {str(file.relative_to(tmp_path / "splits")) for file in tmp_path.glob("splits/*/*")}
    assert copied == {"masks/pug_1.png", "images/pug_1.jpg"}


@given(sizes=SIZES, fraction=st.floats(0.01, 0.99))
def test_each_breed_gives_its_share_within_one_image(sizes, fraction):
    for breed, quota in quotas(sizes, fraction).items():
        assert abs(quota - sizes[breed] * fraction) < 1 + 1e-8
        assert 0 <= quota < sizes[breed]  # a breed of one image keeps it in train


@given(sizes=SIZES, fraction=st.floats(0.01, 0.98))
def test_the_whole_gives_its_share_within_rounding(sizes, fraction):
    sizes = {breed: size + 100 for breed, size in sizes.items()}
    assert sum(quotas(sizes, fraction).values()) == round(sum(sizes.values()) * fraction)


def test_remainders_go_to_the_breeds_that_lost_most():
    # Shares of 0.15: 1.05, 1.2, 1.35, 1.5, 1.65 -> 5 rounded down, 7 in all (6.75).
    sizes = dict(zip("abcde", [7, 8, 9, 10, 11], strict=True))
    assert list(quotas(sizes, 0.15).values()) == [1, 1, 1, 2, 2]
    assert quotas({"a": 100}, 0.29) == {"a": 29}  # whole numbers stay whole


def test_the_division_depends_on_the_seed_and_not_on_order_and_hardly_on_other_images():
    index = index_of(named("pug", 40), [])
    drawn = draw_by_share(index, 0.2, 0)
    assert drawn == draw_by_share(Random(1).sample(index, 40), 0.2, 0)
    assert drawn != draw_by_share(index, 0.2, 1)
    before = draw_by_share(index_of(named("pug", 50), []), 0.2, 0)
    assert len(before - draw_by_share(index_of(named("pug", 51), []), 0.2, 0)) <= 1
    assert draw_by_share(index_of(named("pug", 50) + named("Bengal", 50), []), 0.2, 0) >= before


def test_the_division_is_the_one_computed_by_hand():
    # The two smallest of ten digests of "0:pug_0" ... "0:pug_9" (sha256sum): 6, then 4.
    assert draw_by_share(index_of(named("pug", 10), []), 0.2, 0) == {"pug_4", "pug_6"}


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (index_of(["pug_1"], []), "no pictures for val"),
        (index_of([], ["pug_1"]), "no pictures for train"),
        (index_of(["pug_1"], ["pug_2"], pug_1=0, pug_2=0), "no pictures for train"),
        (index_of(named("pug", 2), ["pug_9"]), "no pictures for val"),
    ],
)
def test_a_split_without_images_is_refused(tmp_path, monkeypatch, index, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path, monkeypatch, index)
    assert not (tmp_path / "splits").exists()


def test_an_index_without_a_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"index\.csv is missing: run the stage extract"):
        read_index(tmp_path / "index.csv", ())


def all_names(lists: dict[str, list[str]]) -> list[str]:
    return sorted(name for names in lists.values() for name in names)


def groups_of(names: list[str]) -> set[str]:
    return {name[0] for name in names}


def test_without_lists_all_three_are_drawn_by_share_and_seed(tmp_path, monkeypatch):
    names = named("pug", 40) + named("Sphynx", 20)
    index = [entry._replace(split="") for entry in index_of(names, [])]
    lists = run(tmp_path, monkeypatch, index)
    assert all_names(lists) == [entry.name for entry in index]
    shares = {
        split: Counter(name.rpartition("_")[0] for name in names) for split, names in lists.items()
    }
    assert shares["test"] == {"pug": 10, "Sphynx": 5}
    assert shares["val"] == {"pug": 6, "Sphynx": 3}
    named_alone = [Entry(e.name, (), "", e.phash) for e in index]
    alone = run(tmp_path, monkeypatch, named_alone, groups=())
    assert [len(alone[split]) for split in ("train", "val", "test")] == [36, 9, 15]


@pytest.mark.parametrize("by", ["stratify", "apart"])
def test_lists_of_the_data_sets_own_are_kept(tmp_path, monkeypatch, by):
    index = films(a_train=5, b_train=4, c_val=3, d_test=4)
    lists = run(tmp_path, monkeypatch, index, ("film",), by=by)
    assert {split: groups_of(names) for split, names in lists.items()} == {
        "train": {"a", "b"}, "val": {"c"}, "test": {"d"},
    }  # fmt: skip
    assert len(all_names(lists)) == 16


def test_a_test_list_is_drawn_from_train_where_train_and_val_are_given(tmp_path, monkeypatch):
    lists = run(tmp_path, monkeypatch, films(a_train=12, b_train=8, c_val=10), ("film",))
    assert groups_of(lists["val"]) == {"c"}
    assert len(lists["val"]) == 10
    assert Counter(name[0] for name in lists["test"]) == {"a": 3, "b": 2}


def test_apart_draws_whole_groups_and_no_list_shares_one(tmp_path, monkeypatch):
    index = films(**dict.fromkeys((f"{letter}_" for letter in "abcdefghij"), 10))
    lists = run(tmp_path, monkeypatch, index, ("film",), by="apart")
    groups = {split: groups_of(names) for split, names in lists.items()}
    assert sorted(chain(*groups.values())) == list("abcdefghij")
    assert {split: len(names) for split, names in lists.items()} == {
        "train": 70, "val": 10, "test": 20,
    }  # fmt: skip
    smallest = {entry.name for entry in index[20:25]}  # since none fits
    assert draw_apart(index[:25], 0.1, 0) == smallest


def test_apart_leaves_out_what_straddles_given_lists_and_counts_it(tmp_path, monkeypatch):
    index = films(a_train=4, a_test=3, b_train=6, b_val=2, c_train=5, d_val=7, d_test=1)
    lists = run(tmp_path, monkeypatch, index, ("film",), by="apart")
    assert {split: groups_of(names) for split, names in lists.items()} == {
        "train": {"c"}, "val": {"b"}, "test": {"a", "d"},
    }  # fmt: skip
    left_out = json.loads(Path("metrics/split.json").read_text())["left_out"]
    assert left_out == {"duplicates": 0, "straddling": 4 + 7 + 6}


def test_a_part_of_a_training_list_of_one_group_is_a_part_of_the_group(tmp_path, monkeypatch):
    index = films(a_train=8, b_val=2, c_test=2)
    lists = run(tmp_path, monkeypatch, index, ("film",), by="apart", train_fraction=0.5)
    assert {split: len(names) for split, names in lists.items()} == {
        "train": 4,
        "val": 2,
        "test": 2,
    }


def test_apart_needs_several_groups(tmp_path, monkeypatch):
    with pytest.raises(
        UserError, match=r"apart cannot divide 9 pictures, which are all of one .* a:"
    ):
        run(tmp_path, monkeypatch, films(a_=9), ("film",), by="apart")
    with pytest.raises(UserError, match=r"split\.by: apart needs groups"):
        run(tmp_path, monkeypatch, [Entry("x", (), "", 0)], (), by="apart")
