"""One HTTP transfer into a file on disk: continued where it broke, never silently short."""

import re
import time
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING

from rich import progress

from pipeline.core.files import naming
from pipeline.core.terminal import UserError, console, say

if TYPE_CHECKING:
    import requests

# Seconds before each further try, after tries that brought nothing new.
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 30.0  # seconds without a byte
MAX_BYTES = 100 * 2**30  # of a file
CHUNK = 1 << 16  # bytes: about what a broken connection loses


class DownloadError(UserError):
    """A file could not be fetched; the message says from where, why, and what to do."""


class _InterruptedError(Exception):
    """The try failed and another may not."""


def transfer(url: str, file: Path, resume: bool) -> None:
    """Bring the file at an http(s) url into `file`.

    With `resume` the bytes that are there are kept, and only the rest is asked for. This is for
    callers who verify the whole by a checksum: the server may have replaced the file. Without it,
    every try starts over. Connection errors, time-outs, short bodies, 408, 429 and 5xx are tried
    again, for as long as new bytes arrive.

    Raises DownloadError for what another try cannot cure, such as a body that does not end (which
    is not kept), and OSError for a disk that refuses; the file then stays for the next run.
    """
    furthest, waits = _size(file), iter(WAITS)
    while True:
        if not resume:
            file.unlink(missing_ok=True)
        try:
            return _attempt(url, file)
        except _InterruptedError as problem:
            if _size(file) > furthest:
                furthest, waits = _size(file), iter(WAITS)
            pause = next(waits, None)
            if pause is None:
                kept = "; what has arrived is kept for the next run" if resume else ""
                raise DownloadError(
                    f"{url}: {problem}, also after {len(WAITS)} more tries: check the address and "
                    f"the network, or add a mirror{kept}"
                ) from None
            say(f"{url}: {problem}; next try in {pause:g} s")
            time.sleep(pause)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _attempt(url: str, file: Path) -> None:
    # It takes 0.3 s to import, which neither a local archive nor --help should wait for.
    import requests  # noqa: PLC0415
    import urllib3  # noqa: PLC0415

    headers = {"Accept-Encoding": "identity"}
    if size := _size(file):
        headers["Range"] = f"bytes={size}-"
    timeouts = (CONNECT_TIMEOUT, READ_TIMEOUT)
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeouts) as response:
            _receive(response, file)
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        raise _InterruptedError(_cause(error)) from None
    except requests.RequestException as error:
        raise DownloadError(f"{url}: {error}: correct the address") from None


def _receive(response: "requests.Response", file: Path) -> None:
    """Add the body to the file, if it is the part that is missing."""
    size, status = _size(file), response.status_code
    said = f"the server says {status} {response.reason}".rstrip()
    part, _, whole = response.headers.get("Content-Range", "").partition("/")
    total = _number(whole)
    if status == 416 and part == "bytes *" and total == size > 0:
        return  # an earlier run got everything, and ended before it could say so
    if status == 200:  # the whole file: the server does not serve parts
        file.unlink(missing_ok=True)
        total = _number(response.headers.get("Content-Length", ""))
    elif status == 416 or (status == 206 and not part.startswith(f"bytes {size}-")):
        file.unlink(missing_ok=True)
        raise _InterruptedError(f"{said}, but not the part that was asked for")
    elif status in (408, 429) or status >= 500:
        raise _InterruptedError(said)
    elif status != 206:
        raise DownloadError(f"{response.url}: {said}: correct the address, or add a mirror")
    # Unless the server says how much will come, half of the free disk stays free.
    half = _size(file) + disk_usage(file.parent).free // 2
    limit = min(MAX_BYTES, half if total is None else total)
    columns = (*progress.Progress.get_default_columns(), progress.DownloadColumn())
    bars = progress.Progress(*columns, console=console)
    with bars, naming(file), file.open("ab") as body:
        task = bars.add_task("download", completed=_size(file), total=total)
        # The body as sent: `iter_content` would unpack a .tar.gz that is served as gzip.
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            if max(total or 0, body.tell() + len(chunk)) > limit:
                file.unlink()
                more = f"it sends more than the {limit:,} bytes that it may"
                raise DownloadError(f"{response.url}: {more}: correct the address")
            body.write(chunk)
            bars.advance(task, len(chunk))
    if total is not None and _size(file) != total:
        raise _InterruptedError(f"the connection ended at {_size(file):,} of {total:,} bytes")


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _cause(error: BaseException) -> str:
    """The innermost reason; the outer ones hold memory addresses and repeat themselves."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
