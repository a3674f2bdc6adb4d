import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pytest
from pictures import encoded
from PIL import Image
from tars import tar_of
from tiny_pets import OXFORD, PETS

from pipeline.core.files import file_digest
from pipeline.core.params import check_values
from pipeline.core.terminal import UserError
from pipeline.data.classes import IGNORE, read_classes
from pipeline.data.description import Description
from pipeline.data.images import load_image, load_mask
from pipeline.data.pairs import SHARD_COLUMNS, changed_files
from pipeline.ingest import extraction
from pipeline.ingest.extraction import COLUMNS, extract, store_pair
from pipeline.ingest.parallel import map_processes
from pipeline.ingest.vocabulary import Listed, Note, Reason


def photograph(seed: int, kind: str = "JPEG") -> bytes:
    """A blocky picture of 30 x 20 pixels, another for each seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return encoded(blocks.repeat(5, axis=0).repeat(5, axis=1), kind)


def trimap(height: int = 20) -> bytes:
    values = np.full((height, 30), 2, dtype=np.uint8)
    values[5:10] = 3
    values[10:15] = 1
    return encoded(values)


def write_raw(raw: Path, images: dict[str, bytes], trimaps: dict[str, bytes], test: list[str]):
    """The two archives; what is not in the test list is in trainval."""
    raw.mkdir()
    images = {f"images/{name}.jpg": data for name, data in images.items()}
    (raw / "images.tar").write_bytes(tar_of(images, "gz"))
    trainval = [name for name in trimaps if name not in test]
    lists = {"test": test, "trainval": trainval}
    files = {f"annotations/{name}.txt": "\n".join(lists[name]).encode() for name in lists}
    files |= {f"annotations/trimaps/{name}.png": data for name, data in trimaps.items()}
    (raw / "annotations.tar").write_bytes(tar_of(files, "gz"))


@pytest.fixture(scope="module")
def extracted(tmp_path_factory) -> tuple[Path, dict]:
    """The folder and the counts of eight listed pairs, two of them bad, and an unlisted image."""
    root = tmp_path_factory.mktemp("extract")
    breeds = ("beagle", "beagle", "pug", "pug", "Bengal", "Bengal", "Birman", "Birman")
    names = [f"{breed}_{number}" for number, breed in enumerate(breeds, 1)]
    images = {name: photograph(seed) for seed, name in enumerate(names)}
    images |= {"pug_3": photograph(2, "PNG"), "pug_4": b"not a picture", "stray_9": photograph(9)}
    trimaps = {name: trimap() for name in names} | {"Birman_8": trimap(height=21)}
    write_raw(root / "raw", images, trimaps, ["beagle_2", "Bengal_6", "Birman_8"])
    return root / "data" / "pairs", run(root / "raw", root / "data" / "pairs", 0.25)


def run(raw: Path, data: Path, limit: float, shards: int = 0) -> dict:
    """Extract the official layout."""
    return extract(OXFORD, Path("datasets/tiny.yaml"), raw, data, limit, shards=shards)


def index_of(data: Path) -> pd.DataFrame:
    return pd.read_csv(data / "index.csv", keep_default_na=False).set_index("name", drop=False)


def test_the_index_has_a_row_for_each_usable_pair_sorted_by_name(extracted):
    assert read_classes(extracted[0]) == PETS
    index = index_of(extracted[0])
    assert list(index.columns) == ["name", "breed", "species", *COLUMNS]
    columns = ["name", "breed", "species", "width", "height", "split"]
    assert index[columns].to_numpy().tolist() == [
        ["Bengal_5", "Bengal", "cat", 30, 20, "trainval"],
        ["Bengal_6", "Bengal", "cat", 30, 20, "test"],
        ["Birman_7", "Birman", "cat", 30, 20, "trainval"],
        ["beagle_1", "beagle", "dog", 30, 20, "trainval"],
        ["beagle_2", "beagle", "dog", 30, 20, "test"],
        ["pug_3", "pug", "dog", 30, 20, "trainval"],
    ]
    assert index["note"]["pug_3"] == Note.PNG
    assert (index["note"].drop("pug_3") == "").all()


def test_the_index_describes_the_files_written(extracted):
    data, _ = extracted
    for row in index_of(data).itertuples():
        image, mask = data / "images" / f"{row.name}.jpg", data / "masks" / f"{row.name}.png"
        assert file_digest(image) == row.image_sha256
        assert file_digest(mask) == row.mask_sha256
        assert str(imagehash.phash(Image.fromarray(load_image(image)))) == row.phash
        assert load_image(image).shape[:2] == load_mask(mask).shape


def test_what_is_not_used_is_quarantined_with_its_reason_and_not_written(extracted):
    data, _ = extracted
    assert (data / "quarantine.csv").read_text().splitlines() == [
        "name,file,reason,found",
        f"Birman_8,images/Birman_8.jpg,{Reason.SIZES},",
        f"pug_4,images/pug_4.jpg,{Reason.NOT_A_PICTURE},",
        f"stray_9,images/stray_9.jpg,{Reason.NO_MASK},",
    ]
    assert list(data.parent.iterdir()) == [data]
    names = {"images", "masks", "dataset.json", "index.csv", "quarantine.csv"}
    assert {entry.name for entry in data.iterdir()} == names
    for folder in ("images", "masks"):
        assert {file.stem for file in (data / folder).iterdir()} == set(index_of(data)["name"])


def test_ignored_pixels_and_groups_without_lists(tmp_path):
    """Of films in colour, with one value of no class."""
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 0]], np.uint8)
    ids = np.arange(600).reshape(20, 30).astype(np.uint8) % 3
    files = {}
    for seed, frame in enumerate(("a/1", "a/2", "b/1")):
        files |= {
            f"x/film/{frame}.jpg": photograph(seed),
            f"x/gt/{frame}.png": encoded(colours[ids]),
        }
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/all.tar").write_bytes(tar_of(files))
    values = {
        "sources": {"all": {"url": "all.tar"}},
        "layout": {"images": "film/{film}/{name}.*", "masks": "gt/{film}/{name}.png"},
        "classes": [{"name": "car", "values": ["#FF0000"]}, {"name": "sky", "values": ["#00ff00"]}],
        "masks": {"ignore": ["#000000"]},
    }
    where, data = Path("films.yaml"), tmp_path / "pairs"
    counts = extract(check_values(values, Description, where), where, tmp_path / "raw", data, 0)
    assert counts["pairs"] == {"in no list": 3}
    classes = read_classes(data)
    assert (classes.names, classes.ignore, classes.groups) == (("car", "sky"), IGNORE, ("film",))
    index = index_of(data)
    assert index["film"].to_dict() == {"a_1": "a", "a_2": "a", "b_1": "b"}
    assert set(index["split"]) == {""}
    expected = np.where(ids == 2, IGNORE, ids)
    np.testing.assert_array_equal(load_mask(data / "masks/b_1.png"), expected)
    shown = np.asarray(Image.open(data / "masks/b_1.png").convert("RGB"))
    assert shown[0, 2].tolist() == list(classes.palette[IGNORE])


def test_the_counts_agree_with_the_tables(extracted):
    _, counts = extracted
    assert json.loads(json.dumps(counts)) == {
        "pairs": {"test": 2, "trainval": 4},
        "notes": {"PNG": 1},
        "quarantined": {
            "image and mask differ in size": 1,
            "not a picture": 1,
            "image without a mask": 1,
        },
        "quarantined_fraction": 0.25,  # of the eight listed names
    }


def test_shards_hold_the_same_bytes_and_the_index_only_has_more_columns(extracted, tmp_path):
    files, counts = extracted
    data, again = tmp_path / "data", tmp_path / "again"
    for each in (data, again):
        assert run(files.parents[1] / "raw", each, 0.25, shards=4) == counts
    names = {"shards", "dataset.json", "index.csv", "quarantine.csv"}
    assert {entry.name for entry in data.iterdir()} == names
    assert {file.name for file in data.glob("shards/*")} == {f"00000{n}.tar" for n in range(4)}
    index = index_of(data)
    assert list(index.columns[-len(SHARD_COLUMNS) :]) == [*SHARD_COLUMNS]
    pd.testing.assert_frame_equal(index.drop(columns=[*SHARD_COLUMNS]), index_of(files))
    assert changed_files(data) == {}
    for file in filter(Path.is_file, data.rglob("*")):
        assert file.read_bytes() == (again / file.relative_to(data)).read_bytes()


@pytest.mark.parametrize(
    ("worse", "reason"), [(os.abort, Reason.CRASHED), (partial(time.sleep, 100), Reason.HUNG)]
)
def test_a_pair_that_crashes_or_hangs_the_decoder_is_quarantined(
    tmp_path, monkeypatch, worse, reason
):
    in_hand = partial(map_processes, seconds=4)
    monkeypatch.setattr(extraction, "map_processes", in_hand)
    monkeypatch.setattr(extraction, "store_pair", partial(or_worse, worse=worse))
    images = {name: photograph(1) for name in ("pug_1", "pug_2")}
    write_raw(tmp_path / "raw", images, dict.fromkeys(images, trimap()), [])
    run(tmp_path / "raw", tmp_path / "data", 1.0)
    assert list(index_of(tmp_path / "data")["name"]) == ["pug_1"]
    assert pd.read_csv(tmp_path / "data/quarantine.csv")["reason"].tolist() == [reason]


def or_worse(pair: Listed, worse: Callable[[], None], **more: object) -> object:
    return worse() if pair.name == "pug_2" else store_pair(pair, **more)  # type: ignore[arg-type]


def test_more_unusable_pictures_than_allowed_stop_the_run_with_the_list(tmp_path):
    images = {f"pug_{number:02}": b"broken" for number in range(30)}
    images |= {"pug_30": photograph(1), "pug_31": photograph(2)}
    binary = encoded(np.array([[0, 255] * 15] * 20, np.uint8))
    masks = dict.fromkeys(images, trimap()) | dict.fromkeys(("pug_30", "pug_31"), binary)
    write_raw(tmp_path / "raw", images, masks, ["pug_00"])
    data = tmp_path / "data"
    data.mkdir()
    (data / "index.csv").write_text("earlier")
    with pytest.raises(UserError, match=r"100\.0% .* extract\.max_quarantined_fraction") as caught:
        run(tmp_path / "raw", data, 0.99)
    message = str(caught.value)
    assert "\n  30 x not a picture, such as images/pug_00.jpg\n" in message
    assert "\n  2 x mask has values that no class has (found 0, 255), such as " in message
    assert "trimaps/pug_30.png; datasets/tiny.yaml says which there are" in message
    assert str(tmp_path / "data-quarantine.csv") in message
    assert len(pd.read_csv(tmp_path / "data-quarantine.csv")) == 32
    assert (data / "index.csv").read_text() == "earlier"


def test_a_fraction_at_the_limit_passes_and_clears_an_earlier_list(tmp_path):
    images = {"pug_1": photograph(1), "pug_2": b"broken"}
    write_raw(tmp_path / "raw", images, dict.fromkeys(images, trimap()), ["pug_1"])
    earlier = tmp_path / "data-quarantine.csv"
    earlier.touch()
    assert run(tmp_path / "raw", tmp_path / "data", 0.5)["quarantined_fraction"] == 0.5
    assert not earlier.exists()
