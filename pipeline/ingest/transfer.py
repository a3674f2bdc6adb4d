"""One HTTP transfer into a file on disk: continued where it broke, never silently short."""

import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich import progress

from pipeline.core.terminal import UserError, console

if TYPE_CHECKING:
    import requests

# Seconds before each further try, after tries that brought nothing new.
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
LONGEST_WAIT = 60.0  # seconds, however long a server asks us to wait
CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 16  # bytes: about what a broken connection loses


class DownloadError(UserError):
    """A file could not be fetched; the message says from where, why, and what to do."""


class DiskError(DownloadError):
    """The disk refused to take a file, so another server would not help.

    `missing` is the number of bytes still to come, where it is known.
    """

    def __init__(self, error: OSError, file: Path, missing: int | None = None):
        needed = "" if missing is None else f", {missing:,} bytes are still to come"
        existing = next(folder for folder in file.absolute().parents if folder.exists())
        free = shutil.disk_usage(existing).free
        super().__init__(
            f"{file}: {error.strerror or error}{needed} ({free:,} bytes are free there). "
            "Make room or correct the permissions, and run it again"
        )


class _InterruptedError(Exception):
    """The try failed and another may not, after `wait` seconds if the server asked for them."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


def transfer(url: str, file: Path, resume: bool) -> None:
    """Bring the file at an http(s) url into `file`.

    With `resume` the bytes that are there are kept, and only the rest is asked for. This is for
    callers who verify the whole by a checksum: the server may have replaced the file. Without it,
    every try starts over. Connection errors, time-outs, short bodies, 408, 429 and 5xx are tried
    again, for as long as new bytes arrive.

    Raises DownloadError for what another try cannot cure; the file then stays for the next run.
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
            pause = min(max(pause, problem.wait), LONGEST_WAIT)
            # As plain text: a url may hold brackets, and should not be broken into lines.
            console.print(
                f"{url}: {problem}; next try in {pause:g} s", markup=False, soft_wrap=True
            )
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
    except requests.exceptions.SSLError as error:
        raise DownloadError(f"{url}: {_cause(error)}: the connection is not safe") from None
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        raise _InterruptedError(_cause(error)) from None
    except requests.RequestException as error:
        raise DownloadError(f"{url}: {error}: correct the address") from None


def _receive(response: "requests.Response", file: Path) -> None:
    """Add the body to the file, if it is the part that is missing."""
    start, total = _content_range(response)
    if response.status_code == 416 and start is None and total == _size(file) > 0:
        return  # an earlier run got everything, and ended before it could say so
    if response.status_code == 200:  # the whole file: the server does not serve parts
        file.unlink(missing_ok=True)
        total = _number(response, "Content-Length")
    elif response.status_code != 206:
        status = f"the server says {response.status_code} {response.reason}".rstrip()
        if response.status_code == 416:
            file.unlink(missing_ok=True)
            raise _InterruptedError(f"{status}: the file there is shorter than what came of it")
        if response.status_code in (408, 429) or response.status_code >= 500:
            raise _InterruptedError(status, wait=_number(response, "Retry-After") or 0)
        raise DownloadError(f"{response.url}: {status}: correct the address, or add a mirror")
    elif start != _size(file):
        file.unlink(missing_ok=True)
        raise _InterruptedError("the server sent another part than the one asked for")
    _write(response, file, total)
    if total is not None and _size(file) != total:
        raise _InterruptedError(f"the connection ended at {_size(file):,} of {total:,} bytes")


def _write(response: "requests.Response", file: Path, total: int | None) -> None:
    columns = (
        *(progress.TextColumn("{task.description}"), progress.BarColumn()),
        *(progress.DownloadColumn(), progress.TransferSpeedColumn()),
        progress.TimeRemainingColumn(),
    )
    try:
        with file.open("ab") as body, progress.Progress(*columns, console=console) as bars:
            task = bars.add_task("download", completed=_size(file), total=total)
            # The body as sent: `iter_content` would unpack a .tar.gz that is served as gzip.
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                body.write(chunk)
                bars.advance(task, len(chunk))
    except OSError as error:
        missing = None if total is None else total - _size(file)
        raise DiskError(error, file, missing) from None


def _content_range(response: "requests.Response") -> tuple[int | None, int | None]:
    """The first byte of the part and the size of the whole, where the server says them."""
    header = response.headers.get("Content-Range", "")
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", header)
    start, total = found.groups() if found else (None, None)
    return (int(start) if start else None), (int(total) if total else None)


def _number(response: "requests.Response", header: str) -> int | None:
    value = response.headers.get(header, "")
    return int(value) if value.isdecimal() else None


def _cause(error: BaseException) -> str:
    """The innermost reason; the outer ones hold memory addresses and repeat themselves."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
