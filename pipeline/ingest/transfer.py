"""One HTTP transfer into a file on disk: resumed where it broke, retried, never silently short."""

import re
import time
from typing import NoReturn

import requests
import urllib3
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from pipeline.core.terminal import console
from pipeline.ingest.partial import DiskError, DownloadError, Partial

# Seconds before each further try, after tries that brought nothing new.
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
LONGEST_WAIT = 60.0  # seconds, however long a server asks us to wait
CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 16  # bytes: about what a broken connection loses


class _InterruptedError(Exception):
    """The try failed and another may not, after `wait` seconds if the server asked for them."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


def transfer(url: str, partial: Partial, verified: bool) -> None:
    """Bring the file at an http(s) url into `partial`, going on from what is there already.

    What is there is continued if the server named its version, or if the caller verifies the
    whole by a checksum (`verified`); else it is begun anew. Connection errors, time-outs, short
    bodies, 408, 429 and 5xx are tried again, and again as long as new bytes arrive.

    Raises DownloadError for what another try cannot mend; the partial file stays for the next run.
    """
    furthest, waits = partial.size, iter(WAITS)
    while True:
        try:
            return _attempt(url, partial, verified)
        except _InterruptedError as problem:
            if partial.size > furthest:
                furthest, waits = partial.size, iter(WAITS)
            pause = next(waits, None)
            if pause is None:
                raise DownloadError(
                    f"{url}: {problem}, also after {len(WAITS)} more tries: check the address and "
                    "the network, or add a mirror; what has arrived is kept for the next run"
                ) from None
            pause = min(max(pause, problem.wait), LONGEST_WAIT)
            # As plain text: a url may hold brackets, and should not be broken into lines.
            console.print(
                f"{url}: {problem}; next try in {pause:g} s", markup=False, soft_wrap=True
            )
            time.sleep(pause)


def _attempt(url: str, partial: Partial, verified: bool) -> None:
    """One request for what is missing."""
    if not (verified or partial.version):
        partial.begin()
    headers = {"Accept-Encoding": "identity"}
    if partial.size:
        headers["Range"] = f"bytes={partial.size}-"
        if partial.version:
            headers["If-Range"] = partial.version
    timeouts = (CONNECT_TIMEOUT, READ_TIMEOUT)
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeouts) as response:
            _receive(response, partial)
    except requests.exceptions.SSLError as error:
        raise DownloadError(f"{url}: {_cause(error)}: the connection is not safe") from None
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        raise _InterruptedError(_cause(error)) from None
    except requests.RequestException as error:
        raise DownloadError(f"{url}: {error}: correct the address") from None


def _receive(response: requests.Response, partial: Partial) -> None:
    """Add the body to the partial file, if it is the part that is missing."""
    begin, total = _content_range(response)
    if response.status_code == 416 and begin is None and total == partial.size > 0:
        return  # an earlier run got everything, and ended before it could say so
    if response.status_code == 200:  # the whole file: another version, or no ranges are served
        total = _number(response, "Content-Length")
        partial.begin(_version(response))
    elif response.status_code != 206:
        _refuse(response, partial)
    elif begin != partial.size or _version(response) not in ("", partial.version):
        partial.begin()
        raise _InterruptedError("the server sent another part than the one asked for")
    _write(response, partial, total)
    if total is not None and partial.size != total:
        raise _InterruptedError(f"the connection ended at {partial.size:,} of {total:,} bytes")


def _refuse(response: requests.Response, partial: Partial) -> NoReturn:
    status = f"the server says {response.status_code} {response.reason}".rstrip()
    if response.status_code == 416:
        partial.begin()
        raise _InterruptedError(f"{status}: the file there is shorter than what came of it")
    if response.status_code in (408, 429) or response.status_code >= 500:
        raise _InterruptedError(status, wait=_number(response, "Retry-After") or 0)
    raise DownloadError(f"{response.url}: {status}: correct the address, or add a mirror")


def _write(response: requests.Response, partial: Partial, total: int | None) -> None:
    try:
        with partial.file.open("ab") as file, _progress() as bars:
            task = bars.add_task("download", completed=partial.size, total=total)
            # The body as sent: `iter_content` would unpack a .tar.gz that is served as gzip.
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                file.write(chunk)
                bars.advance(task, len(chunk))
    except OSError as error:
        missing = None if total is None else total - partial.size
        raise DiskError(error, partial.file, missing) from None


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _version(response: requests.Response) -> str:
    """What If-Range may hold (RFC 9110, 13.1.5): a strong ETag, else the date, else nothing."""
    tag = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return response.headers.get("Last-Modified", "")


def _content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """The first byte of the part and the size of the whole, as far as they are said."""
    header = response.headers.get("Content-Range", "")
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", header)
    begin, total = found.groups() if found else (None, None)
    return (int(begin) if begin else None), (int(total) if total else None)


def _number(response: requests.Response, header: str) -> int | None:
    value = response.headers.get(header, "")
    return int(value) if value.isdecimal() else None


def _cause(error: BaseException) -> str:
    """The innermost reason; the outer ones hold addresses in memory and repeat themselves."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
