import hashlib
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from file_server import FileServer, Reply

from pipeline.ingest import transfer
from pipeline.ingest.fetch import fetch
from pipeline.ingest.transfer import DownloadError

BYTES = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
MD5 = hashlib.md5(BYTES).hexdigest()
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "WAITS", (0.0, 0.0))
    monkeypatch.delenv("DVC_ROOT", raising=False)


@pytest.fixture
def url(server: FileServer) -> str:
    server.files["/a.tar"] = BYTES
    return f"{server.url}/a.tar"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "a.tar"


def get(target: Path, *urls: str, md5: str | None = MD5) -> None:
    fetch(urls, target, md5, cache_of(target))


def cache_of(target: Path) -> Path:
    return target.parents[1] / "cache"


def partial_files(cache: Path) -> list[Path]:
    found = (path for path in cache.rglob("*") if path.is_file())
    return [path for path in found if path.suffix not in (".lock", ".placed")]


def only_here(target: Path) -> bool:
    return [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("md5", [MD5, MD5.upper(), None])
def test_a_file_comes_whole_and_leaves_nothing_behind(server, url, target, md5):
    server.replies = [Reply(headers={"Content-Encoding": "gzip"})]  # its bytes are kept
    get(target, url, md5=md5)
    assert target.read_bytes() == BYTES
    assert only_here(target)
    assert partial_files(cache_of(target)) == []
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "form",
    ["{folder}/a b.tar", "~/a b.tar", "file://{folder}/a%20b.tar", "FILE:{folder}/a b.tar"],
)
def test_a_path_and_a_file_url_are_copied(tmp_path, target, form, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a b.tar").write_bytes(BYTES)
    get(target, form.format(folder=tmp_path))
    assert target.read_bytes() == BYTES
    assert only_here(target)


@pytest.mark.parametrize("dvc", [False, True])
def test_a_relative_path_starts_where_dvc_was_called_else_here(tmp_path, target, monkeypatch, dvc):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    for folder in (root, elsewhere):
        folder.mkdir()
    (tmp_path / "root" / "a.tar").write_bytes(BYTES)
    monkeypatch.chdir(elsewhere if dvc else root)
    if dvc:
        monkeypatch.setenv("DVC_ROOT", str(root))
    get(target, "a.tar")
    assert target.read_bytes() == BYTES


def test_a_file_goes_to_another_disk_than_the_cache(url, target):
    shared_memory = Path("/dev/shm")
    target.parent.mkdir()
    if not shared_memory.exists() or shared_memory.stat().st_dev == target.parent.stat().st_dev:
        pytest.skip("no second file system here")
    cache = shared_memory / f"petseg-test-{os.getpid()}"
    try:
        fetch([url], target, MD5, cache)
        assert target.read_bytes() == BYTES
        assert partial_files(cache) == []
    finally:
        for path in cache.iterdir():
            path.unlink()
        cache.rmdir()


@pytest.mark.parametrize("there", [BYTES, OTHER])
def test_a_file_is_replaced_by_another_only_when_that_is_whole(server, url, target, there):
    target.parent.mkdir()
    target.write_bytes(there)
    get(target, url)
    assert target.read_bytes() == BYTES
    assert len(server.requests) == (there == OTHER)
    with pytest.raises(DownloadError):
        get(target, f"{server.url}/missing.tar", md5=None)
    assert target.read_bytes() == BYTES
    assert only_here(target)
    server.files["/a.tar"] = OTHER
    get(target, url, md5=None)
    assert target.read_bytes() == OTHER


def test_the_next_run_resumes_what_the_last_one_got_or_a_mirror_removes_it(
    server, url, target, monkeypatch
):
    monkeypatch.setattr(transfer, "WAITS", ())
    server.replies = [Reply(send=200_000)]
    with pytest.raises(DownloadError, match="kept for the next run"):
        get(target, url)
    assert not target.exists()
    get(target, url)
    assert target.read_bytes() == BYTES
    assert server.ranges_asked()[1] is not None
    target.unlink()
    server.replies = [Reply(send=200_000)]
    get(target, url, f"{url}?mirror")
    assert target.read_bytes() == BYTES
    assert partial_files(cache_of(target)) == []


def test_a_file_received_but_not_placed_is_not_sent_again(server, url, target):
    target.parent.write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match=str(target.parent)):
        get(target, url)
    target.parent.unlink()
    server.replies = [Reply(send=0)]
    get(target, url)
    assert target.read_bytes() == BYTES
    assert server.ranges_asked() == [None, "bytes=300000-"]


MISSING = ("missing.tar", "~nobody-of-this-name/a.tar", "file:///no/a.tar", "/tmp")


@pytest.mark.parametrize("bad", ["s3://bucket/a.tar", "http://", "http://[x", *MISSING])
def test_a_bad_address_is_refused_and_a_missing_path_named(target, bad):
    with pytest.raises(DownloadError) as error:
        get(target, bad)
    assert bad in str(error.value)
    assert bad not in MISSING or "correct the path" in str(error.value)


@pytest.mark.parametrize("local", [False, True])
def test_a_wrong_checksum_names_both_and_keeps_nothing(server, url, tmp_path, target, local):
    server.files["/a.tar"] = OTHER
    (tmp_path / "a.tar").write_bytes(OTHER)
    found = hashlib.md5(OTHER).hexdigest()
    with pytest.raises(DownloadError, match=f"expected md5 {MD5}, found {found}"):
        get(target, str(tmp_path / "a.tar") if local else url)
    assert not target.exists()
    assert partial_files(cache_of(target)) == []


def test_mirrors_are_tried_in_order(server, url, tmp_path, target):
    server.files["/damaged.tar"] = OTHER
    places = [str(tmp_path / "no.tar"), f"{server.url}/no", f"{server.url}/damaged.tar", url]
    server.replies = [Reply(), Reply(), Reply(send=200_000)]
    get(target, *places, f"{server.url}/not-asked")
    assert target.read_bytes() == BYTES
    assert [path for path, _ in server.requests] == ["/no", "/damaged.tar", "/a.tar", "/a.tar"]
    assert partial_files(cache_of(target)) == []


def test_when_every_place_fails_each_reason_is_given(server, tmp_path, target):
    server.files["/damaged.tar"] = OTHER
    path = str(tmp_path / "no.tar")
    with pytest.raises(DownloadError) as error:
        get(target, f"{server.url}/no", path, f"{server.url}/damaged.tar")
    heading, *reasons = str(error.value).splitlines()
    assert heading == "a.tar could not be fetched from any of 3 places:"
    assert [reason.strip().split(": ")[0] for reason in reasons] == [
        f"{server.url}/no",
        path,
        f"{server.url}/damaged.tar",
    ]


# A limit on the size of a file stands for a disk that becomes full: the kernel refuses the write.
LIMITED = """
import resource, sys
from pathlib import Path
from pipeline.ingest.fetch import fetch
from pipeline.core.terminal import run_command
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
url, target, md5, cache = sys.argv[1:]
run_command(lambda: fetch([url], Path(target), md5, Path(cache)))
"""


def run_limited(url: str, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIMITED, url, str(target), MD5, str(cache_of(target))]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_a_full_disk_says_what_is_missing_and_the_next_run_resumes(server, url, tmp_path, target):
    (tmp_path / "local.tar").write_bytes(BYTES)
    failed = run_limited(str(tmp_path / "local.tar"), target)
    assert failed.returncode == 1
    assert "Make room" in failed.stderr
    assert list(target.parent.iterdir()) == []
    failed = run_limited(url, target)
    assert failed.returncode == 1
    assert "200,000 bytes are still to come" in failed.stderr
    assert "Make room" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not target.exists()
    get(target, url)
    assert target.read_bytes() == BYTES
    assert server.ranges_asked() == [None, "bytes=100000-"]


def test_two_processes_share_one_download(server, url, tmp_path):
    asked, released = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        released.wait(60)

    server.replies = [Reply(before=hold)]
    script = LIMITED.replace("100_000", "1_000_000")
    targets = [tmp_path / name / "a.tar" for name in ("one", "two")]
    processes = []
    for target in targets:
        command = [sys.executable, "-c", script, url, str(target), MD5, str(tmp_path / "cache")]
        processes.append(
            subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        )
        assert asked.wait(60)
    stdout = processes[1].stdout
    assert stdout is not None
    assert "another process is fetching it" in stdout.readline()
    released.set()
    assert [process.wait(60) for process in processes] == [0, 0]
    assert [target.read_bytes() for target in targets] == [BYTES, BYTES]
    assert len(server.requests) == 1
    for process in processes:
        process.communicate()
