import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from file_server import BYTES, OTHER, Reply
from small_disk import small_disk

from pipeline.ingest import transfer
from pipeline.ingest.fetch import fetch
from pipeline.ingest.transfer import DownloadError

MD5 = hashlib.md5(BYTES).hexdigest()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "WAITS", (0.0, 0.0))
    monkeypatch.delenv("DVC_ROOT", raising=False)


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
def test_a_file_arrives_and_leaves_nothing_behind(server, url, target, md5):
    server.replies = [Reply(headers={"Content-Encoding": "gzip"})]  # its bytes are kept
    get(target, url, md5=md5)
    assert target.read_bytes() == BYTES
    assert only_here(target)
    assert partial_files(cache_of(target)) == []
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "form",
    [
        *("{folder}/a b.tar", "~/a b.tar", "file://{folder}/a%20b.tar", "FILE:{folder}/a b.tar"),
        "a b.tar",  # it starts in the repository
    ],
)
def test_a_path_and_a_file_url_are_copied(tmp_path, target, form, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "a b.tar").write_bytes(BYTES)
    get(target, form.format(folder=tmp_path))
    assert target.read_bytes() == BYTES
    assert only_here(target)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second file system here")
def test_the_cache_can_be_on_another_disk(url, target):
    with TemporaryDirectory(dir="/dev/shm") as cache:
        fetch([url], target, MD5, Path(cache))
        assert partial_files(Path(cache)) == []
    assert target.read_bytes() == BYTES


@pytest.mark.parametrize("there", [BYTES, OTHER])
def test_a_file_is_replaced_only_by_a_whole_one(server, url, target, there):
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


def test_the_next_run_resumes_and_a_mirror_starts_over(server, url, target, monkeypatch):
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


MISSING = ("missing.tar", "~nobody-of-this-name/a.tar", "file:///no/a.tar")


@pytest.mark.parametrize("bad", ["s3://bucket/a.tar", "http://", "http://[x", *MISSING])
def test_a_bad_address_and_a_missing_path_are_refused(target, bad):
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


def test_mirrors_are_tried_in_order_and_each_failure_is_named(server, url, tmp_path, target):
    server.files["/damaged.tar"] = OTHER
    places = [str(tmp_path / "no.tar"), f"{server.url}/no", f"{server.url}/damaged.tar"]
    with pytest.raises(DownloadError) as error:
        get(target, *places)
    heading, *reasons = str(error.value).splitlines()
    assert heading == "a.tar could not be fetched from any of 3 places:"
    assert [reason.strip().split(": ")[0] for reason in reasons] == places
    get(target, *places, url, f"{server.url}/not-asked")
    assert target.read_bytes() == BYTES
    assert [path for path, _ in server.requests[2:]] == ["/no", "/damaged.tar", "/a.tar"]
    assert partial_files(cache_of(target)) == []


def test_a_full_disk_says_what_is_missing_and_the_next_run_resumes(server, url, tmp_path, target):
    (tmp_path / "local.tar").write_bytes(BYTES)
    with small_disk(100_000), pytest.raises(DownloadError, match="Make room"):
        get(target, str(tmp_path / "local.tar"))
    assert list(target.parent.iterdir()) == []
    message = f"{cache_of(target)}.*Make room"
    with small_disk(100_000), pytest.raises(DownloadError, match=message):
        get(target, url)
    assert not target.exists()
    get(target, url)
    assert target.read_bytes() == BYTES
    assert server.ranges_asked() == [None, "bytes=100000-"]


def test_two_fetches_at_once_share_one_download(server, url, tmp_path, said):
    asked, released = threading.Event(), threading.Event()
    server.replies = [Reply(before=lambda: (asked.set(), released.wait(60)))]
    targets = [tmp_path / name / "a.tar" for name in ("one", "two")]
    with ThreadPoolExecutor(2) as pool:
        fetches = [pool.submit(get, targets[0], url)]
        assert asked.wait(60)
        fetches.append(pool.submit(get, targets[1], url))
        try:
            while "another process is fetching it" not in said.get(timeout=60):
                pass
        finally:
            released.set()
        assert [each.result(60) for each in fetches] == [None, None]
    assert [target.read_bytes() for target in targets] == [BYTES, BYTES]
    assert len(server.requests) == 1
