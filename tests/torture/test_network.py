"""Downloads over a bad network, by the stage itself: the right files, or a clear error."""

import hashlib
import io
import json
import random
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from file_server import Reply, run_download, serving
from ledger import SEED, TRIES, Row

pytestmark = pytest.mark.torture


def a_tar(size: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.size = size
        tar.addfile(member, io.BytesIO(random.Random(size).randbytes(size)))
    return stream.getvalue()


ARCHIVES = {"images": a_tar(400_000), "annotations": a_tar(150_000)}


def dropped(numbers):
    """Connections that break at random places, several times."""
    return [Reply(send=numbers.randrange(150_000)) for _ in range(3)]


def wrong_length(numbers):
    """The server promises more than it sends."""
    said = str(150_000 + numbers.randrange(10_000, 10**9))
    return [Reply(headers={"Content-Length": said})]


def wrong_bytes(numbers):
    """One bit is another one, and the length is right: only the checksum tells."""
    return [Reply(damage=numbers.randrange(150_000))]


def without_ranges(numbers):
    """A server that always begins anew, after a broken connection too."""
    return [Reply(send=numbers.randrange(150_000)), Reply(ranges=False)]


def slow_drip(numbers):
    """Some kilobytes at a time, then a broken connection, then slow again."""
    return [Reply(send=numbers.randrange(150_000), drip=0.02), Reply(drip=0.02)]


def redirected(numbers):
    """To another address, which breaks off."""
    away = Reply(302, {"Location": "/elsewhere.tar", "Content-Length": "0"}, send=0)
    return [away, Reply(send=numbers.randrange(150_000)), away]


def stumbling(numbers):
    """Errors of the server between broken connections."""
    return [Reply(503, send=0), Reply(send=numbers.randrange(150_000)), Reply(502, send=0)]


FAULTS = [dropped, wrong_length, wrong_bytes, without_ranges, slow_drip, redirected, stumbling]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_network_gives_the_right_files_or_a_clear_error(tmp_path, fault):
    with ThreadPoolExecutor(4) as pool:
        tries = list(pool.map(lambda number: try_once(tmp_path / f"{number}", fault, number),
                              range(TRIES)))  # fmt: skip
    row = Row("network", fault.__name__.replace("_", " "))
    for each in tries:
        row.add(**each)
    row.check()


def try_once(folder: Path, fault, number: int) -> dict:
    numbers = random.Random(f"{SEED}:{fault.__name__}:{number}")
    with serving() as server:
        server.files = {f"/{stem}.tar": content for stem, content in ARCHIVES.items()}
        server.files["/elsewhere.tar"] = ARCHIVES["annotations"]
        server.replies = fault(numbers)  # of annotations.tar, which comes first
        expected = len(server.replies)
        folder.mkdir()
        mine = entry(server.url)
        first = run_download(folder, mine)
        asked = len(server.requests)
        lost = wrong_files(folder)
        if first.returncode and (first.returncode != 1 or not first.stderr.startswith("error: ")):
            lost.append(f"no clear error: {first.stdout}{first.stderr}")
        server.replies = []
        if first.returncode:  # the fault is over: the next run has them
            again = run_download(folder, mine)
            if again.returncode:
                lost.append(f"the next run failed: {again.stdout}{again.stderr}")
        lost += wrong_files(folder) + missing_files(folder)
    said = first.stderr.strip() if first.returncode else "the right files at once"
    return {"inside": asked >= min(expected, 2), "requests": asked, "said": said, "lost": lost}


def entry(url: str) -> dict[str, dict[str, str]]:
    return {
        stem: {"url": f"{url}/{stem}.tar", "md5": hashlib.md5(content).hexdigest()}
        for stem, content in ARCHIVES.items()
    }


def wrong_files(folder: Path) -> list[str]:
    """Archives under their final names that are not what the server has; anything beside them."""
    whole = {f"{stem}.tar": content for stem, content in ARCHIVES.items()}
    found = [
        file for file in folder.glob("data/raw/*") if whole.get(file.name) != file.read_bytes()
    ]
    hidden = folder.glob("data/raw/.*")
    return [f"wrong: {file.name}" for file in (*found, *hidden)]


def missing_files(folder: Path) -> list[str]:
    metrics = folder / "metrics/download.json"
    known = json.loads(metrics.read_text()) if metrics.exists() else {}
    return [f"missing: {stem}" for stem in ARCHIVES
            if stem not in known or not (folder / f"data/raw/{stem}.tar").exists()]  # fmt: skip
