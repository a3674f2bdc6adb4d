from pathlib import Path

import pytest
from tiny_pets import write_tiny_pets

from pipeline.core.files import file_digest
from pipeline.data.integrity import changed_files


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    write_tiny_pets(tmp_path)
    return tmp_path / "data/pets"


def test_a_data_set_as_it_was_made_has_no_changed_file(pets: Path) -> None:
    assert changed_files(pets) == {}


def test_a_changed_byte_and_a_lost_file_are_named_with_both_digests(pets: Path) -> None:
    image, mask = pets / "images/pug_1.jpg", pets / "masks/Bengal_2.png"
    before = {file: file_digest(file) for file in (image, mask)}
    content = bytearray(image.read_bytes())
    content[-3] ^= 1
    image.write_bytes(content)
    mask.unlink()
    assert changed_files(pets) == {
        image: (before[image], file_digest(image)),
        mask: (before[mask], "missing"),
    }
