from pathlib import Path

import pytest
from tiny_pets import write_tiny_pets

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.data.pairs import (
    breed_of,
    changed_files,
    image_path,
    mask_path,
    read_list,
    species_of,
)
from pipeline.data.splits import evenly_spaced, read_split


def write_list(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "test.txt"
    path.write_text(text)
    return path


def test_a_name_tells_breed_species_and_files():
    for name, breed, species in (
        ("British_Shorthair_9", "British_Shorthair", "cat"),
        ("american_pit_bull_terrier_191", "american_pit_bull_terrier", "dog"),
    ):
        assert (breed_of(name), species_of(name)) == (breed, species)
    assert image_path(Path("data"), "beagle_1") == Path("data/images/beagle_1.jpg")
    assert mask_path(Path("data"), "beagle_1") == Path("data/masks/beagle_1.png")


def test_a_list_is_read_in_its_order_without_comments_and_blank_lines(tmp_path):
    path = write_list(tmp_path, "#Image CLASS-ID\nbeagle_2 5 2 2\n\nAbyssinian_1 1 1 1\n")
    assert read_list(path) == ["beagle_2", "Abyssinian_1"]
    text = "beagle_2.jpg\r\nBengal_7.PNG 6 1 2\r\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "test.txt").write_bytes(text.encode(encoding))
        assert read_list(tmp_path / "test.txt") == ["beagle_2", "Bengal_7"]


@pytest.mark.parametrize("line", ["../../etc/passwd_1", "beagle", "_1", "a/b_1", "9_1", "beagle_"])
def test_a_line_without_a_name_or_with_another_species_is_named(tmp_path, line):
    with pytest.raises(UserError, match=r"test\.txt, line 2: .* is not a name"):
        read_list(write_list(tmp_path, f"beagle_1 5 2 2\n{line} 1 1 1\n"))
    for contradiction in ("beagle_1 5 1 2", "Bengal_1 6 2 2", "Bengal_1 6 3 2"):
        with pytest.raises(UserError, match=r"line 1: species .* 1 for a cat .* 2 for a dog"):
            read_list(write_list(tmp_path, contradiction))


def test_a_list_that_is_missing_or_no_text_is_named(tmp_path):
    with pytest.raises(UserError, match=r"trainval\.txt is missing"):
        read_list(tmp_path / "trainval.txt")
    (tmp_path / "test.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"test\.txt is not a text file"):
        read_list(tmp_path / "test.txt")


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
