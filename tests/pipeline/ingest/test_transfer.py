import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from file_server import BYTES, OTHER, Reply

from pipeline.ingest import transfer as module
from pipeline.ingest.transfer import DownloadError, transfer


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries, which do not take place."""
    waits: list[float] = []
    # Not time.sleep itself: other threads of the tests' process sleep, too.
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=waits.append))
    return waits


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "part"


@pytest.mark.parametrize("sent", [0, 1, 65_535, 65_536, 200_000, 299_999])
@pytest.mark.parametrize("resume", [True, False])
def test_a_broken_transfer_ends_whole(server, url, file, sent, resume):
    if not resume:
        file.write_bytes(OTHER[:1000])
    # A server need not say the length.
    server.replies = [Reply(send=sent), Reply(headers={"Content-Length": None})]
    transfer(url, file, resume)
    assert file.read_bytes() == BYTES
    assert len(server.requests) == 2
    assert resume or server.ranges_asked() == [None, None], "every try starts over"


def test_tries_go_on_as_long_as_bytes_arrive(server, url, file):
    server.replies = [Reply(send=35_000)] * 8  # more than there are waits
    transfer(url, file, resume=True)
    assert file.read_bytes() == BYTES
    assert len(server.requests) == 9


def test_a_server_may_send_less_than_was_asked_for(server, url, file):
    less = {"Content-Range": "bytes 200000-249999/300000", "Content-Length": "50000"}
    server.replies = [Reply(send=200_000), Reply(headers=less, send=50_000)]
    transfer(url, file, resume=True)
    assert file.read_bytes() == BYTES
    assert server.ranges_asked() == [None, "bytes=200000-", "bytes=250000-"]


@pytest.mark.parametrize("said", ["bytes 7-299999/300000", "bytes */300000", "nonsense", None])
def test_without_ranges_or_with_wrong_ones_it_starts_over(server, url, file, said):
    wrong = Reply(headers={"Content-Range": said})
    server.replies = [Reply(send=200_000), wrong, Reply(send=200_000), Reply(ranges=False)]
    transfer(url, file, resume=True)
    assert file.read_bytes() == BYTES
    assert server.ranges_asked()[2] is None


def test_a_range_beyond_the_end_starts_over(server, url, file):
    def shorten() -> None:
        server.files["/a.tar"] = BYTES[:1000]

    server.replies = [Reply(send=200_000), Reply(before=shorten)]
    transfer(url, file, resume=True)
    assert file.read_bytes() == BYTES[:1000]


def test_a_temporary_error_is_retried(server, url, file):
    server.replies = [Reply(status, send=0) for status in (408, 429, 500, 502, 503)]
    transfer(url, file, resume=False)
    assert file.read_bytes() == BYTES


def test_a_lasting_error_is_given_up_after_growing_waits(server, url, file, slept):
    server.replies = [Reply(503, send=0)] * 9
    with pytest.raises(DownloadError, match=f"{url}: the server says 503 .* 5 more tries"):
        transfer(url, file, resume=True)
    assert len(server.requests) == 6
    assert slept == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("status", [401, 403, 404, 410, 204])
def test_a_refusal_is_not_retried(server, url, file, status):
    server.replies = [Reply(status, send=0)]
    with pytest.raises(DownloadError, match=f"{url}: the server says {status}.*correct the addr"):
        transfer(url, file, resume=True)
    assert len(server.requests) == 1
    assert not file.exists()


def test_a_body_that_stays_shorter_than_announced_is_refused(server, url, file):
    server.replies = [Reply(headers={"Content-Length": "300001"}, ranges=False)] * 9
    with pytest.raises(DownloadError, match=f"{url}: IncompleteRead"):
        transfer(url, file, resume=False)


ENDLESS = {"Content-Length": None}
CHUNKED = {"Content-Length": "1000", "Transfer-Encoding": "chunked"}


@pytest.mark.parametrize(
    ("headers", "limit"),
    [
        (ENDLESS, "100,000"),
        ({"Content-Length": "9" * 5000}, "100,000"),
        ({"Content-Length": "1" + "0" * 15}, "100,000"),
        (CHUNKED, "1,000"),
    ],
)
def test_a_body_longer_than_announced_or_than_any_archive_is_not_kept(
    server, url, file, monkeypatch, headers, limit
):
    monkeypatch.setattr(module, "MAX_BYTES", 100_000)
    if headers is CHUNKED:
        server.files["/a.tar"] = b"493e0\r\n" + BYTES + b"\r\n0\r\n\r\n"
    server.replies = [Reply(headers=headers)]
    with pytest.raises(DownloadError, match=f"{url}: it sends more than the {limit} bytes"):
        transfer(url, file, resume=True)
    assert not file.exists()
    assert len(server.requests) == 1


def test_without_a_length_half_of_the_disk_stays_free(server, url, file, monkeypatch):
    monkeypatch.setattr(module, "disk_usage", lambda _: SimpleNamespace(free=200_000))
    server.replies = [Reply(headers=ENDLESS)]
    with pytest.raises(DownloadError, match="more than the 100,000 bytes"):
        transfer(url, file, resume=True)


def test_a_server_that_hangs_is_given_up(server, url, file, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(module, "READ_TIMEOUT", 0.05)
    server.replies = [Reply(before=lambda: released.wait(30))] * 6
    with pytest.raises(DownloadError, match=f"{url}: timed out"):
        transfer(url, file, resume=True)
    released.set()
    assert len(server.requests) == 6


def test_a_closed_port_and_an_unknown_host_are_named(server, file):
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match=r"Connection refused.*check the address"):
        transfer(f"{server.url}/a.tar", file, resume=True)
    with pytest.raises(DownloadError, match=r"no-such-host\.invalid/a\.tar: .*check the address"):
        transfer("http://no-such-host.invalid/a.tar", file, resume=True)
