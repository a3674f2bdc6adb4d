"""From a bucket to a bucket, with an S3 server: killed on the way, and then to the end.

By one process, and by a Ray cluster of two nodes.
"""

from pathlib import Path

import numpy as np
import psutil
import pyarrow.dataset as ds
import pytest
from pictures import encoded
from processes import run_python, running, wait_until
from servers import s3_server
from tiny_models import COLOURS, write_traffic_light

BROKEN = 20
PREDICT = ("-m", "tools.predict", "--model", "models/model.onnx")


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
    return run_python(*PREDICT, *arguments, cwd=Path.cwd())


def wait_for_parts(bucket, table, count):
    wait_until(lambda: bucket.isdir(table) and len(bucket.ls(table)) >= count, seconds=120)
    return bucket.ls(table)


@pytest.mark.teams
def test_a_killed_run_is_continued(bucket):
    fill(bucket, "pets/in", 1300)
    command = ("s3://pets/in/", "--out", "s3://pets/out")
    with running(*PREDICT, *command, cwd=Path.cwd()):  # the block's end kills it
        first = wait_for_parts(bucket, "pets/out/table", 1)
    done, again = len(first) * 500, predict(*command)
    assert again.returncode == 1
    told = f"of {1300 - done:,} predicted into s3://pets/out; {done:,} were done before"
    assert told in again.stderr
    rows = ds.dataset("pets/out/table", filesystem=bucket).to_table().to_pylist()
    assert len({row["name"] for row in rows}) == len(rows) == 1300
    broken = [row["name"] for row in rows if row["error"]]
    assert sorted(broken) == sorted(f"s3://pets/in/{n % 3}/{n:04}.png" for n in range(BROKEN))
    masks = [row["files"]["mask"] for row in rows if not row["error"]]
    assert sorted(bucket.find("pets/out/masks")) == sorted(mask[len("s3://") :] for mask in masks)

    predict("s3://pets/in/1/0400.png", "--out", "alone")
    below = "masks/s3/pets/in/1/0400.png.mask.png"
    assert Path("alone", below).read_bytes() == bucket.cat_file(f"pets/out/{below}")


@pytest.fixture
def cluster(bucket, monkeypatch):
    """Two nodes of one CPU each on this machine, which have access to the bucket."""
    from ray.cluster_utils import Cluster

    nodes = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=nodes)
    cluster.add_node(num_cpus=1)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    cluster.shutdown()


def workers(cluster):
    """The processes that do the tasks."""
    nodes = [node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()]
    below = [each for node in nodes for each in psutil.Process(node).children(recursive=True)]
    return [each for each in below if "_predict_part" in " ".join(each.cmdline())]


@pytest.mark.nightly
def test_a_cluster_that_loses_a_worker_writes_what_one_process_writes(bucket, cluster):
    fill(bucket, "pets/in", 2000)
    command = ("s3://pets/in/", "--out", "s3://pets/cluster", "--engine", "ray")
    with running(*PREDICT, *command, cwd=Path.cwd()) as together:
        wait_for_parts(bucket, "pets/cluster/table", 1)
        busy = workers(cluster)
        assert len(busy) == 2
        busy[0].kill()
        said, _ = together.communicate()
    assert f"{2000 - BROKEN:,} of 2,000 predicted into s3://pets/cluster" in said
    alone = predict("s3://pets/in/", "--out", "s3://pets/alone")
    assert together.returncode == alone.returncode == 1
    found = {}
    for out in ("cluster", "alone"):
        masks = bucket.find(f"pets/{out}/masks", detail=True)
        # An object's ETag is its MD5.
        named = {name.removeprefix(f"pets/{out}/"): each["ETag"] for name, each in masks.items()}
        parts = {each.rpartition("/")[2] for each in bucket.ls(f"pets/{out}/table")}
        rows = ds.dataset(f"pets/{out}/table", filesystem=bucket).to_table().to_pylist()
        errors = {row["name"]: row["error"] for row in rows if row["error"]}
        found[out] = named, parts, errors
        assert (len(named), len(parts), len(errors)) == (2000 - BROKEN, 4, BROKEN)
    assert found["cluster"] == found["alone"]
