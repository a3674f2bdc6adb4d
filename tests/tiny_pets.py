"""A handmade data set in the form that extract and split write: bright ellipses on dark noise."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow_workspace import make_workspace
from PIL import Image
from processes import REPOSITORY
from pydantic import TypeAdapter

from pipeline.core.files import file_digest, write_json
from pipeline.data.classes import FILE, Classes
from pipeline.data.description import group_of, read_description
from pipeline.data.images import save_mask
from pipeline.data.pairs import SHARD_COLUMNS, image_path, mask_path
from pipeline.ingest.extraction import end_shards, move_into_shard

OXFORD = read_description(REPOSITORY / "datasets/oxford.yaml")
PETS = OXFORD.to_classes("tiny")  # pet, background, border, with breed and species

SIZES = [(60, 80), (64, 64), (90, 60)]  # height, width
TRAIN = "Bengal_1 Bengal_2 Bengal_3 pug_1 pug_2 pug_3 Sphynx_1 Sphynx_2"
LISTS = {
    "train": TRAIN.split(),
    "val": ["Bengal_4", "pug_4"],
    "test": ["Bengal_5", "Sphynx_3", "pug_5"],
}


def write_tiny_pets(root: Path) -> None:
    """Write data/pairs and data/splits below the root."""
    for split, names in LISTS.items():
        for position, name in enumerate(names):
            write_pair(root / "data/pairs", name, *SIZES[position % len(SIZES)])
        write_split(root / "data/splits" / f"{split}.csv", names)
    write_index(root / "data/pairs", sorted(name for names in LISTS.values() for name in names))


def write_pair(data: Path, name: str, height: int, width: int) -> None:
    """Write one image and its mask: the ellipse is pet, its rim border."""
    random = np.random.default_rng(sum(name.encode()))
    y, x = np.mgrid[:height, :width]
    center_y, center_x = height * random.uniform(0.4, 0.6), width * random.uniform(0.4, 0.6)
    radius = np.hypot((y - center_y) / (height * 0.3), (x - center_x) / (width * 0.3))
    mask = np.select([radius < 0.9, radius < 1.1], [0, 2], default=1).astype(np.uint8)
    noise = random.integers(0, 60, (height, width, 3))
    brightness = np.where(radius < 1, 170, 60)[..., None] + noise
    for path in (image_path(data, name), mask_path(data, name)):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(brightness.astype(np.uint8)).save(image_path(data, name), quality=90)
    save_mask(mask_path(data, name), mask, PETS.palette)


def write_index(data: Path, names: list[str]) -> None:
    """Write dataset.json, and the columns of index.csv that the stages after split read."""
    write_json(data / FILE, TypeAdapter(Classes).dump_python(PETS))
    digests = {
        "image_sha256": [file_digest(image_path(data, name)) for name in names],
        "mask_sha256": [file_digest(mask_path(data, name)) for name in names],
    }
    pd.DataFrame({"name": names} | digests).to_csv(data / "index.csv", index=False)


def move_into_shards(data: Path, shards: int) -> None:
    """Turn the files of images and masks into shards, as extract does."""
    index = pd.read_csv(data / "index.csv")
    places = [move_into_shard(data, name, shards) for name in index["name"]]
    end_shards(data, shards)
    index[list(SHARD_COLUMNS)] = places
    index.to_csv(data / "index.csv", index=False)


def write_split(file: Path, names: list[str]) -> None:
    """Write a list as the split stage does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rules = OXFORD.groups.items()
    groups = {group: [group_of(name, rule) for name in names] for group, rule in rules}
    pd.DataFrame({"name": names} | groups).to_csv(file, index=False)


@pytest.fixture
def tiny_pets(tmp_path, monkeypatch) -> Path:
    """A workspace with the tiny data set; the current folder, with a store of its own."""
    make_workspace(tmp_path, monkeypatch)
    write_tiny_pets(tmp_path)
    write_params(tmp_path)
    return tmp_path


def write_params(root: Path, **changes: dict) -> None:
    """The repository's params.yaml with a training of seconds; `changes` by section."""
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["model"] |= {"features": [4, 8]}
    params["train"] |= {"epochs": 2, "batch_size": 4, "image_size": 32, "threads": 1}
    for section, values in changes.items():
        params[section] |= values
    (root / "params.yaml").write_text(yaml.safe_dump(params))
