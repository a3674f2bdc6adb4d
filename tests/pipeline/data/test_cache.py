"""Images are decoded once, into files that are whole or not there."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tiny_pets import LISTS

from pipeline.core.terminal import UserError
from pipeline.data.cache import content_key, open_pictures
from pipeline.data.dataset import PetDataset
from pipeline.data.images import load_mask
from pipeline.data.pets import image_path, mask_path
from pipeline.data.transforms import resize_image, resize_mask

REPOSITORY = Path(__file__).resolve().parents[3]
PETS = Path("data/pets")
NAMES = LISTS["train"]


def cached(workspace):
    """What lies in the cache, without locks."""
    folder = workspace / ".cache/pictures"
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def digest(pictures):
    content = pictures.images.numpy().tobytes() + pictures.masks.numpy().tobytes()
    return hashlib.sha256(content).hexdigest()


def opening(first):
    """A process that runs a line of code, then opens the pictures and prints their digest."""
    code = f"""
import hashlib, resource, signal
from pathlib import Path
from pipeline.data.cache import open_pictures
{first}
pictures = open_pictures(Path("data/pets"), {NAMES}, 32)
content = pictures.images.numpy().tobytes() + pictures.masks.numpy().tobytes()
print(hashlib.sha256(content).hexdigest())
"""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_arrays_are_the_files_decoded_and_stretched(tiny_pets):
    pictures = open_pictures(PETS, NAMES, 32)
    for place, name in enumerate(NAMES):
        with Image.open(image_path(PETS, name)) as opened:
            photograph = torch.from_numpy(np.array(opened)).permute(2, 0, 1)
        mask = torch.from_numpy(load_mask(mask_path(PETS, name)))
        assert torch.equal(pictures.images[place], resize_image(photograph[None], 32)[0])
        assert torch.equal(pictures.masks[place], resize_mask(mask, 32))
    assert PetDataset(pictures)[0, 0][1].dtype == torch.int64
    assert pictures.images.shape == (8, 3, 32, 32)
    assert pictures.masks.shape == (8, 32, 32)


def test_more_images_than_a_chunk_stay_in_order(tiny_pets, monkeypatch):
    whole = open_pictures(PETS, NAMES, 32)
    before = digest(whole)
    monkeypatch.setattr("pipeline.data.cache.CHUNK", 3)
    monkeypatch.setenv("DVC_ROOT", str(tiny_pets / "elsewhere"))
    assert digest(open_pictures(PETS, NAMES, 32)) == before


def test_opened_again_nothing_is_decoded_written_or_changed(tiny_pets):
    first = open_pictures(PETS, NAMES, 32)
    files = sorted((tiny_pets / ".cache/pictures").rglob("*.npy"))
    written = [file.stat().st_mtime_ns for file in files]
    for name in NAMES:
        image_path(PETS, name).unlink()
        mask_path(PETS, name).unlink()
    second = open_pictures(PETS, NAMES, 32)
    before = digest(second)
    assert before == digest(first)
    assert second.key == first.key
    first.images.zero_()
    first.masks.fill_(7)
    assert digest(first) != before
    assert digest(open_pictures(PETS, NAMES, 32)) == before  # a change stays in memory
    assert [file.stat().st_mtime_ns for file in files] == written
    assert len(files) == 2


def test_the_key_is_that_of_size_list_order_and_files(tiny_pets):
    keys = [
        content_key(PETS, NAMES, 32),
        content_key(PETS, NAMES, 48),
        content_key(PETS, NAMES[:-1], 32),
        content_key(PETS, NAMES[::-1], 32),
    ]
    index = pd.read_csv(PETS / "index.csv")
    for column in ("image_sha256", "mask_sha256"):
        changed = index.copy()
        changed.loc[changed["name"] == NAMES[3], column] = "0" * 64
        changed.to_csv(PETS / "index.csv", index=False)
        keys.append(content_key(PETS, NAMES, 32))
    assert len(set(keys)) == len(keys)
    outside = index["name"] == LISTS["test"][0]
    index.loc[outside, "image_sha256"] = "0" * 64
    index.to_csv(PETS / "index.csv", index=False)
    assert content_key(PETS, NAMES, 32) == keys[0]  # of an image outside the list: nothing changes


def test_an_image_that_is_unlisted_or_cannot_be_read_leaves_nothing_half_written(tiny_pets):
    file = image_path(PETS, NAMES[-1])
    whole = file.read_bytes()
    file.write_bytes(whole[:10])
    with pytest.raises(UserError, match=r"data/pets was not decoded"):
        open_pictures(PETS, NAMES, 32)
    assert cached(tiny_pets) == []
    with pytest.raises(UserError, match=r"index\.csv does not list Bengal_99"):
        open_pictures(PETS, [*NAMES, "Bengal_99"], 32)
    file.write_bytes(whole)
    assert len(open_pictures(PETS, NAMES, 32).images) == len(NAMES)


def test_a_full_disk_is_an_error_that_leaves_nothing_half_written(tiny_pets):
    no_larger = "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))"
    _, errors = opening(f"signal.signal(signal.SIGXFSZ, signal.SIG_IGN); {no_larger}").communicate()
    assert "UserError: data/pets was not decoded" in errors
    assert "File too large" in errors
    assert cached(tiny_pets) == []
    assert len(open_pictures(PETS, NAMES, 32).images) == len(NAMES)


def test_of_two_processes_at_once_one_decodes_for_both(tiny_pets):
    both = [opening("print('ready', flush=True); input()") for _ in range(2)]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate()[0] for process in both]
    assert sum("decoding images" in output for output in outputs) == 1
    expected = digest(open_pictures(PETS, NAMES, 32))
    assert [output.splitlines()[-1] for output in outputs] == [expected] * 2
