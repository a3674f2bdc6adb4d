import random
import threading
from pathlib import Path

import pytest
from file_server import FileServer, Reply

from pipeline.ingest import transfer as module
from pipeline.ingest.partial import DownloadError, Partial
from pipeline.ingest.transfer import CHUNK, transfer

BYTES = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries, which do not take place."""
    waits: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    return waits


@pytest.fixture
def url(server: FileServer) -> str:
    server.files["/a.tar"] = BYTES
    return f"{server.url}/a.tar"


@pytest.fixture
def partial(tmp_path: Path) -> Partial:
    return Partial(tmp_path / "part")


# --- broken transfers -----------------------------------------------------------------------


@pytest.mark.parametrize("sent", [0, 1, 65_535, 65_536, 200_000, 299_999])
@pytest.mark.parametrize("verified", [True, False])
def test_a_transfer_cut_anywhere_goes_on(server, url, partial, sent, verified):
    server.replies = [Reply(send=sent)]
    transfer(url, partial, verified)
    assert partial.file.read_bytes() == BYTES
    assert len(server.requests) == 2


def test_going_on_asks_only_for_the_rest_of_the_same_version(server, url, partial):
    server.replies = [Reply(send=200_000)]
    transfer(url, partial, verified=False)
    first, second = (headers for _, headers in server.requests)
    assert "Range" not in first
    assert second["If-Range"] == '"one"'
    assert 200_000 - CHUNK <= int(second["Range"][len("bytes=") : -1]) <= 200_000


def test_many_cuts_are_survived_as_long_as_bytes_arrive(server, url, partial):
    server.replies = [Reply(send=35_000)] * 8  # more than there are waits
    transfer(url, partial, verified=True)
    assert partial.file.read_bytes() == BYTES
    assert len(server.requests) == 9


def test_a_file_that_is_whole_already_is_not_sent_again(server, url, partial):
    for _ in range(2):
        transfer(url, partial, verified=False)
    assert partial.file.read_bytes() == BYTES
    assert server.ranges_asked() == [None, "bytes=300000-"]


def test_a_server_without_ranges_starts_over(server, url, partial):
    server.replies = [Reply(send=200_000), Reply(ranges=False)]
    transfer(url, partial, verified=True)
    assert partial.file.read_bytes() == BYTES


def test_a_server_may_send_less_than_was_asked_for(server, url, partial):
    less = {"Content-Range": "bytes 200000-249999/300000", "Content-Length": "50000"}
    server.replies = [Reply(send=200_000), Reply(headers=less, send=50_000)]
    transfer(url, partial, verified=False)
    assert partial.file.read_bytes() == BYTES
    assert server.ranges_asked() == [None, "bytes=200000-", "bytes=250000-"]


def test_a_length_that_is_not_said_is_no_trouble(server, url, partial):
    server.replies = [Reply(headers={"Content-Length": None})]
    transfer(url, partial, verified=False)
    assert partial.file.read_bytes() == BYTES


@pytest.mark.parametrize("said", ["bytes 7-299999/300000", "bytes */300000", "nonsense", None])
def test_a_wrong_content_range_starts_over(server, url, partial, said):
    server.replies = [Reply(send=200_000), Reply(headers={"Content-Range": said})]
    transfer(url, partial, verified=False)
    assert partial.file.read_bytes() == BYTES
    assert server.ranges_asked()[2] is None


def test_a_range_behind_the_end_starts_over(server, url, partial):
    def shorten() -> None:
        server.files["/a.tar"], server.etag = BYTES[:1000], None

    server.etag = None
    server.replies = [Reply(send=200_000), Reply(before=shorten)]
    transfer(url, partial, verified=True)
    assert partial.file.read_bytes() == BYTES[:1000]


@pytest.mark.parametrize("obeys_if_range", [True, False])
def test_a_file_replaced_between_two_tries_is_never_mixed(server, url, partial, obeys_if_range):
    def replace() -> None:
        server.files["/a.tar"] = OTHER
        server.etag = '"two"' if obeys_if_range else server.etag

    changed = Reply(before=replace, headers={} if obeys_if_range else {"ETag": '"two"'})
    server.replies = [Reply(send=200_000), changed]
    transfer(url, partial, verified=False)
    assert partial.file.read_bytes() == OTHER


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_version_only_a_checksum_allows_to_go_on(server, url, partial, etag):
    server.etag = etag
    server.replies = [Reply(send=200_000)]
    transfer(url, partial, verified=False)
    partial.discard()
    server.replies = [Reply(send=200_000)]
    transfer(url, partial, verified=True)
    without, with_md5 = server.ranges_asked()[1], server.ranges_asked()[3]
    assert without is None
    assert with_md5 is not None
    assert partial.file.read_bytes() == BYTES


def test_a_date_serves_as_version(server, url, partial):
    date = "Mon, 01 Jan 2024 00:00:00 GMT"
    server.etag = None
    server.replies = [Reply(send=200_000, headers={"Last-Modified": date})]
    transfer(url, partial, verified=False)
    assert server.requests[1][1]["If-Range"] == date


# --- servers that refuse --------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_passing_trouble_is_tried_again(server, url, partial, status):
    server.replies = [Reply(status, send=0)]
    transfer(url, partial, verified=True)
    assert partial.file.read_bytes() == BYTES


def test_a_server_may_ask_for_a_longer_wait(server, url, partial, slept):
    asked = ["7", "9999", "0", "soon"]
    server.replies = [Reply(429, {"Retry-After": seconds}, send=0) for seconds in asked]
    transfer(url, partial, verified=True)
    assert slept == [7, 60, 4, 8]


def test_a_lasting_trouble_ends_after_growing_waits(server, url, partial, slept):
    server.replies = [Reply(503, send=0)] * 9
    with pytest.raises(DownloadError, match=f"{url}: the server says 503 .* 5 more tries"):
        transfer(url, partial, verified=True)
    assert len(server.requests) == 6
    assert slept == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("status", [401, 403, 404, 410, 204])
def test_a_refusal_is_not_tried_again(server, url, partial, status):
    server.replies = [Reply(status, send=0)]
    with pytest.raises(DownloadError, match=f"{url}: the server says {status}.*correct the addr"):
        transfer(url, partial, verified=True)
    assert len(server.requests) == 1
    assert not partial.file.exists()


def test_a_body_that_stays_shorter_than_announced_is_refused(server, url, partial):
    server.replies = [Reply(headers={"Content-Length": "300001"}, ranges=False)] * 9
    with pytest.raises(DownloadError, match=f"{url}: IncompleteRead"):
        transfer(url, partial, verified=False)


def test_a_hung_server_ends(server, url, partial, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(module, "READ_TIMEOUT", 0.05)
    server.replies = [Reply(before=lambda: released.wait(30))] * 6
    with pytest.raises(DownloadError, match=f"{url}: timed out"):
        transfer(url, partial, verified=True)
    released.set()
    assert len(server.requests) == 6


def test_a_closed_port_ends(server, partial):
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match=r"Connection refused.*check the address"):
        transfer(f"{server.url}/a.tar", partial, verified=True)


def test_an_unknown_host_is_named(partial):
    with pytest.raises(DownloadError, match=r"http://no-such-host\.invalid/a.tar: Name or "):
        transfer("http://no-such-host.invalid/a.tar", partial, verified=True)
