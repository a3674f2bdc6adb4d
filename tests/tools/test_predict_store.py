"""From a bucket to a bucket, with an S3 server: killed on the way, and then to the end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pytest
from pictures import encoded
from processes import REPOSITORY
from servers import s3_server
from tiny_models import COLOURS, write_traffic_light

pytestmark = pytest.mark.teams

BROKEN = 20


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """An S3 file system whose bucket `pets` exists; this process and its children have access."""
    import s3fs

    monkeypatch.chdir(tmp_path)
    write_traffic_light(Path("models/model.onnx"))
    with s3_server() as keys:
        for name, value in keys.items():
            monkeypatch.setenv(name, value)
        files = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
        files.mkdir("pets")
        yield files


def fill(bucket, folder, count):
    """Photographs of random colours, the same ones each time; the first BROKEN are no pictures."""
    random = np.random.default_rng(0)
    for first in range(0, count, 100):
        colours = [COLOURS[random.integers(0, 3, (4, 5))] for _ in range(100)]
        several = {
            f"{folder}/{n % 3}/{n:04}.png": encoded(each) for n, each in enumerate(colours, first)
        }
        bucket.pipe(several)
    for n in range(BROKEN):
        bucket.pipe_file(f"{folder}/{n % 3}/{n:04}.png", b"broken")


def predict(*arguments):
    command = [sys.executable, "-m", "tools.predict", "--model", "models/model.onnx", *arguments]
    return subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, stderr=subprocess.PIPE, text=True
    )


def wait_for_parts(bucket, table, count):
    for _ in range(1200):
        if bucket.isdir(table) and len(bucket.ls(table)) >= count:
            return bucket.ls(table)
        time.sleep(0.1)
    pytest.fail(f"{table} has no {count} parts")


def test_a_killed_run_is_continued(bucket):
    fill(bucket, "pets/in", 1300)
    command = ("s3://pets/in/", "--out", "s3://pets/out")
    killed = predict(*command)
    first = wait_for_parts(bucket, "pets/out/table", 1)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    done = len(first) * 500
    _, said = (again := predict(*command)).communicate()
    assert again.returncode == 1
    assert f"of {1300 - done:,} predicted into s3://pets/out; {done:,} were done before" in said
    rows = ds.dataset("pets/out/table", filesystem=bucket).to_table().to_pylist()
    assert len({row["name"] for row in rows}) == len(rows) == 1300
    broken = [row["name"] for row in rows if row["error"]]
    assert sorted(broken) == sorted(f"s3://pets/in/{n % 3}/{n:04}.png" for n in range(BROKEN))
    masks = [row["files"]["mask"] for row in rows if not row["error"]]
    assert sorted(bucket.find("pets/out/masks")) == sorted(mask[len("s3://") :] for mask in masks)

    alone = predict("s3://pets/in/1/0400.png", "--out", "alone")
    alone.communicate()
    below = "masks/s3/pets/in/1/0400.png.mask.png"
    assert Path("alone", below).read_bytes() == bucket.cat_file(f"pets/out/{below}")
