"""Images are decoded once, into files that are whole or not there."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from small_disk import small_disk
from tiny_pets import LISTS, PETS, move_into_shards, write_pair

from pipeline.core.terminal import UserError
from pipeline.data.cache import content_key, open_pictures
from pipeline.data.dataset import PairDataset
from pipeline.data.images import load_mask, save_mask
from pipeline.data.pairs import image_path, mask_path
from pipeline.data.transforms import resize_image, resize_mask

PAIRS = Path("data/pairs")
NAMES = LISTS["train"]


def cached(workspace):
    """What lies in the cache, without locks."""
    folder = workspace / ".cache/pictures"
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def digest(pictures):
    content = pictures.images.numpy().tobytes() + pictures.masks.numpy().tobytes()
    return hashlib.sha256(content).hexdigest()


def test_the_arrays_are_the_files_decoded_and_stretched(tiny_pets, monkeypatch):
    monkeypatch.setattr("pipeline.data.cache.CHUNK", 3)  # fewer than there are images
    pictures = open_pictures(PAIRS, NAMES, 32)
    for place, name in enumerate(NAMES):
        with Image.open(image_path(PAIRS, name)) as opened:
            photograph = torch.from_numpy(np.array(opened)).permute(2, 0, 1)
        mask = torch.from_numpy(load_mask(mask_path(PAIRS, name)))
        assert torch.equal(pictures.images[place], resize_image(photograph[None], 32)[0])
        assert torch.equal(pictures.masks[place], resize_mask(mask, 32))
    assert PairDataset(pictures)[0, 0][1].dtype == torch.int64


def test_reviewed_masks_and_added_pairs_come_before_the_published_ones(tiny_pets):
    reviewed = tiny_pets / "data/splits"
    before, key = digest(open_pictures(PAIRS, NAMES, 32, reviewed)), content_key(PAIRS, NAMES, 32)
    assert before == digest(open_pictures(PAIRS, NAMES, 32))
    assert content_key(PAIRS, NAMES, 32, reviewed) == key
    write_pair(reviewed, "added_1", 40, 50)
    mask = mask_path(reviewed, NAMES[1])
    save_mask(mask, np.full_like(load_mask(mask_path(PAIRS, NAMES[1])), 2), PETS.palette)
    changed = open_pictures(PAIRS, [*NAMES, "added_1"], 32, reviewed)
    assert (changed.masks[1] == 2).all()
    assert torch.equal(changed.masks[0], open_pictures(PAIRS, NAMES, 32).masks[0])
    assert len(changed.images) == len(NAMES) + 1
    assert content_key(PAIRS, NAMES, 32, reviewed) != key
    files = digest(changed)
    move_into_shards(PAIRS, 3)
    assert digest(open_pictures(PAIRS, [*NAMES, "added_1"], 32, reviewed)) == files
    assert len(cached(tiny_pets)) == 3  # decoded again, not found


def test_opening_again_decodes_and_writes_nothing(tiny_pets):
    first = open_pictures(PAIRS, NAMES, 32)
    files = sorted((tiny_pets / ".cache/pictures").rglob("*.npy"))
    written = [file.stat().st_mtime_ns for file in files]
    for name in NAMES:
        image_path(PAIRS, name).unlink()
        mask_path(PAIRS, name).unlink()
    second = open_pictures(PAIRS, NAMES, 32)
    before = digest(second)
    assert before == digest(first)
    assert second.key == first.key
    first.images.zero_()
    first.masks.fill_(7)
    assert digest(first) != before
    assert digest(open_pictures(PAIRS, NAMES, 32)) == before  # a change stays in memory
    assert [file.stat().st_mtime_ns for file in files] == written
    assert len(files) == 2


def test_the_key_depends_on_size_list_order_and_files(tiny_pets):
    keys = [
        content_key(PAIRS, NAMES, 32),
        content_key(PAIRS, NAMES, 48),
        content_key(PAIRS, NAMES[:-1], 32),
        content_key(PAIRS, NAMES[::-1], 32),
    ]
    index = pd.read_csv(PAIRS / "index.csv")
    for column in ("image_sha256", "mask_sha256"):
        changed = index.copy()
        changed.loc[changed["name"] == NAMES[3], column] = "0" * 64
        changed.to_csv(PAIRS / "index.csv", index=False)
        keys.append(content_key(PAIRS, NAMES, 32))
    assert len(set(keys)) == len(keys)


def test_a_broken_or_unlisted_image_leaves_nothing_half_written(tiny_pets):
    file = image_path(PAIRS, NAMES[-1])
    whole = file.read_bytes()
    file.write_bytes(whole[:10])
    with pytest.raises(UserError, match=r"data/pairs was not decoded"):
        open_pictures(PAIRS, NAMES, 32)
    assert cached(tiny_pets) == []
    file.write_bytes(whole)
    with pytest.raises(UserError, match=r"data/pairs was not decoded.*Bengal_99"):
        open_pictures(PAIRS, [*NAMES, "Bengal_99"], 32)
    assert len(open_pictures(PAIRS, NAMES, 32).images) == len(NAMES)


def test_a_full_disk_leaves_nothing_half_written(tiny_pets):
    message = "data/pairs was not decoded.*File too large"
    with small_disk(20_000), pytest.raises(UserError, match=message):
        open_pictures(PAIRS, NAMES, 32)
    assert cached(tiny_pets) == []
    assert len(open_pictures(PAIRS, NAMES, 32).images) == len(NAMES)


def test_two_at_once_decode_once(tiny_pets, capsys):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: open_pictures(PAIRS, NAMES, 32), range(2))
    assert capsys.readouterr().out.count("decoding images") == 1
    assert digest(first) == digest(second)
