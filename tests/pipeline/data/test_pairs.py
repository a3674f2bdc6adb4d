import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_pets import LISTS, SIZES, move_into_shards, write_pair, write_tiny_pets

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.data.images import load_mask
from pipeline.data.pairs import changed_files, image_of, locate, mask_of, mask_path, pair_of
from pipeline.data.splits import evenly_spaced, read_split

NAMES = [name for names in LISTS.values() for name in names]


def test_a_changed_byte_and_a_lost_file_are_named_with_both_digests(tmp_path: Path) -> None:
    write_tiny_pets(tmp_path)
    data = tmp_path / "data/pairs"
    assert changed_files(data) == {}
    image, mask = data / "images/pug_1.jpg", data / "masks/Bengal_2.png"
    before = {file: file_digest(file) for file in (image, mask)}
    content = bytearray(image.read_bytes())
    content[-3] ^= 1
    image.write_bytes(content)
    mask.unlink()
    assert changed_files(data) == {
        image: (before[image], file_digest(image)),
        mask: (before[mask], "missing"),
    }


def test_shards_are_tar_archives_with_both_files_of_a_pair_where_the_index_says(tmp_path: Path):
    write_tiny_pets(tmp_path)
    data = tmp_path / "data/pairs"
    before = {path.name: path.read_bytes() for path in data.glob("*/*")}
    move_into_shards(data, 3)
    assert {path.name for path in data.iterdir()} == {"shards", "dataset.json", "index.csv"}
    index = pd.read_csv(data / "index.csv").set_index("name")
    found = {}
    for number in range(3):
        with tarfile.open(data / f"shards/{number:06}.tar") as shard:
            members = shard.getmembers()
            found |= {member.name: shard.extractfile(member).read() for member in members}
        assert {(m.mtime, m.uid, m.uname, m.mode) for m in members} == {(0, 0, "", 0o644)}
        names = index.index[index["shard"] == number]
        assert [m.name for m in members] == [n + s for n in names for s in (".jpg", ".png")]
        for kind, own in (("image", members[::2]), ("mask", members[1::2])):
            assert index[f"{kind}_offset"][names].tolist() == [m.offset_data for m in own]
            assert index[f"{kind}_bytes"][names].tolist() == [m.size for m in own]
    assert found == before


def test_files_and_shards_are_read_alike(tmp_path: Path) -> None:
    files, shards, reviewed = (tmp_path / name for name in ("files", "shards", "reviewed"))
    for root in (files, shards):
        write_tiny_pets(root)
    files, shards = (root / "data/pairs" for root in (files, shards))
    move_into_shards(shards, 3)
    for name in NAMES:
        for one, other in zip(pair_of(name, files), pair_of(name, shards), strict=True):
            np.testing.assert_array_equal(one, other)
    write_pair(reviewed, "pug_1", *SIZES[0])
    expected = load_mask(mask_path(reviewed, "pug_1"))
    np.testing.assert_array_equal(mask_of("pug_1", reviewed, shards), expected)
    np.testing.assert_array_equal(mask_of("pug_2", reviewed, shards), mask_of("pug_2", files))
    for data in (files, shards):
        assert not locate("image", "pug_99", data).exists
        with pytest.raises(UserError, match=r"pairs/images/pug_99\.jpg"):
            image_of("pug_99", reviewed, data)


def test_an_index_that_is_written_again_is_read_again(tmp_path: Path) -> None:
    for shards in (3, 2):
        write_tiny_pets(tmp_path)
        data = tmp_path / "data/pairs"
        expected = mask_of("pug_1", data)
        move_into_shards(data, shards)
        np.testing.assert_array_equal(mask_of("pug_1", data), expected)
        for shard in (data / "shards").iterdir():
            shard.unlink()
        (data / "shards").rmdir()


def test_another_pair_changes_only_its_own_shard(tmp_path: Path) -> None:
    contents = []
    for root, name in ((tmp_path / "a", None), (tmp_path / "b", "pug_9")):
        write_tiny_pets(root)
        data = root / "data/pairs"
        if name:
            write_pair(data, name, *SIZES[0])
            with (data / "index.csv").open("a") as index:
                index.write(f"{name},,\n")
        move_into_shards(data, 5)
        contents.append({path.name: file_digest(path) for path in data.glob("shards/*")})
    before, after = contents
    assert [shard for shard in before if before[shard] != after[shard]] == [
        locate("image", "pug_9", tmp_path / "b/data/pairs").file.name
    ]


def test_damage_in_a_shard_is_named_by_shard_and_pair(tmp_path: Path) -> None:
    write_tiny_pets(tmp_path)
    data = tmp_path / "data/pairs"
    move_into_shards(data, 3)
    assert changed_files(data) == {}
    place, digest = locate("image", "pug_1", data), pd.read_csv(data / "index.csv")
    digest = digest.set_index("name")["image_sha256"]
    with place.file.open("r+b") as shard:
        shard.seek(place.offset)
        shard.write(b"no JPEG")
    assert {path: pair[0] for path, pair in changed_files(data).items()} == {
        place.file / "pug_1.jpg": digest["pug_1"]
    }
    with pytest.raises(UserError, match=rf"{place.file.name}: the image of pug_1 is damaged"):
        image_of("pug_1", data)
    place.file.unlink()
    found = changed_files(data)
    assert found[place.file / "pug_1.jpg"] == (digest["pug_1"], "missing")
    assert {path.parent for path in found} == {place.file}


def test_groups_are_texts_and_a_missing_or_empty_list_is_named(tmp_path):
    with pytest.raises(UserError, match=r"train\.csv is missing"):
        read_split(tmp_path / "train.csv")
    (tmp_path / "train.csv").write_text("name,film\n")
    with pytest.raises(UserError, match=r"train\.csv lists no pictures"):
        read_split(tmp_path / "train.csv")
    (tmp_path / "train.csv").write_text("name,film\n1,007\n2,NA\n3,\n")
    assert read_split(tmp_path / "train.csv")["film"].tolist() == ["007", "NA", ""]


def test_items_are_evenly_spaced_over_the_list():
    names = [str(number) for number in range(10)]
    assert evenly_spaced(names, 4) == ["0", "3", "6", "9"]
    assert evenly_spaced(names, 99) == names
