from pathlib import Path

import pytest
from tiny_pets import write_tiny_pets

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.data.pairs import changed_files, image_path, mask_path
from pipeline.data.splits import evenly_spaced, read_split


def test_a_name_tells_the_files():
    assert image_path(Path("data"), "beagle_1") == Path("data/images/beagle_1.jpg")
    assert mask_path(Path("data"), "beagle_1") == Path("data/masks/beagle_1.png")


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
