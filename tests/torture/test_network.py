"""Downloads over a bad network, by the stage itself: the right files, or a clear error."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from file_server import Reply, run_download, serving
from ledger import SEED, TRIES, Row
from tars import tar_of

pytestmark = pytest.mark.torture


ARCHIVES = {
    name: tar_of({"file": random.Random(size).randbytes(size)})
    for name, size in {"annotations.tar": 150_000, "images.tar": 400_000}.items()
}
ELSEWHERE = Reply(302, {"Location": "/elsewhere.tar", "Content-Length": "0"}, send=0)


def broken(numbers, **more):
    """A connection that breaks at a random place of annotations.tar."""
    return Reply(send=numbers.randrange(150_000), **more)


def too_long(numbers):
    """The server promises more than it sends."""
    return Reply(headers={"Content-Length": str(150_000 + numbers.randrange(10_000, 10**9))})


FAULTS = {  # the server's replies
    "dropped": lambda numbers: [broken(numbers) for _ in range(3)],
    "wrong_length": lambda numbers: [too_long(numbers)],
    # The length is right, so only the checksum tells.
    "wrong_bytes": lambda numbers: [Reply(damage=numbers.randrange(150_000))],
    # After a broken connection the server begins at the beginning.
    "without_ranges": lambda numbers: [broken(numbers), Reply(ranges=False)],
    # Some kilobytes at a time, then a broken connection, then slow again.
    "slow_drip": lambda numbers: [broken(numbers, drip=0.02), Reply(drip=0.02)],
    "redirected": lambda numbers: [ELSEWHERE, broken(numbers), ELSEWHERE],
    "stumbling": lambda numbers: [Reply(503, send=0), broken(numbers), Reply(502, send=0)],
}


@pytest.mark.parametrize("fault", FAULTS if TRIES > 1 else ["stumbling"])
def test_a_bad_network_gives_the_right_files_or_a_clear_error(tmp_path, fault):
    with ThreadPoolExecutor(4) as pool:
        folders = [tmp_path / f"{number}" for number in range(TRIES)]
        tries = list(pool.map(lambda folder: try_once(folder, fault), folders))
    row = Row("network", fault.replace("_", " "))
    for each in tries:
        row.add(**each)
    row.check()


def try_once(folder: Path, fault: str) -> dict:
    with serving() as server:
        server.files = {f"/{name}": content for name, content in ARCHIVES.items()}
        server.files["/elsewhere.tar"] = ARCHIVES["annotations.tar"]
        # Of annotations.tar, which comes first.
        server.replies = FAULTS[fault](random.Random(f"{SEED}:{fault}:{folder.name}"))
        expected = len(server.replies)
        folder.mkdir()
        mine = {
            name.removesuffix(".tar"): {
                "url": f"{server.url}/{name}",
                "md5": hashlib.md5(content).hexdigest(),
            }
            for name, content in ARCHIVES.items()
        }
        first = run_download(folder, mine)
        asked = len(server.requests)
        lost = wrong_files(folder)
        if first.returncode and (first.returncode != 1 or not first.stderr.startswith("error: ")):
            lost.append(f"no clear error: {first.stdout}{first.stderr}")
        if first.returncode and fault != "wrong_bytes":  # all others are got over within the run
            lost.append(f"not got over: {first.stderr}")
        server.replies = []
        if first.returncode:  # the fault is over: the next run has them
            again = run_download(folder, mine)
            if again.returncode:
                lost.append(f"the next run failed: {again.stdout}{again.stderr}")
        lost += wrong_files(folder) + missing_files(folder)
    said = first.stderr.strip() if first.returncode else "the right files at once"
    return {"inside": asked >= min(expected, 2), "requests": asked, "said": said, "lost": lost}


def wrong_files(folder: Path) -> list[str]:
    """Archives under their final names that are not what the server has; anything beside them."""
    files = folder.glob("data/raw/*")
    found = [file for file in files if ARCHIVES.get(file.name) != file.read_bytes()]
    return [f"wrong: {file.name}" for file in (*found, *folder.glob("data/raw/.*"))]


def missing_files(folder: Path) -> list[str]:
    wanted = ["metrics/download.json", *(f"data/raw/{name}" for name in ARCHIVES)]
    return [f"missing: {name}" for name in wanted if not (folder / name).exists()]
