"""Get one file from the first of several places that has it: http(s), file:, or a path."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

from filelock import FileLock, Timeout

from pipeline.core.files import atomic_file, file_digest
from pipeline.core.terminal import console
from pipeline.ingest.partial import DiskError, DownloadError, Partial
from pipeline.ingest.transfer import transfer


def fetch(urls: Sequence[str], target: Path, md5: str | None, cache: Path) -> None:
    """Put the file at `target`, from the first url that yields it whole.

    A url is http(s), file:, or a path (`~` expands; a relative one starts at the folder in which
    DVC was called, else at the current one). With an md5 (32 hex digits) the file is verified,
    and left alone if it is there and right. Without one nothing tells whether the file that is
    there is the newest, so it is fetched again.

    What comes by http grows in the folder `cache`, where a later run goes on with it. A lock there
    lets a second process that wants the same file wait, and copy it from where the first put it.

    Raises DownloadError with the reason of each url; `target` is then what it was before.
    """
    key = hashlib.sha256(repr((*urls, md5)).encode()).hexdigest()[:32]
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(cache / f"{key}.lock", target.name):
            if not _is_right(target, md5):
                _fetch_first(urls, target, md5, cache / key)
    except OSError as error:
        raise DiskError(error, Path(error.filename or target)) from None


@contextmanager
def _one_at_a_time(lock_file: Path, name: str) -> Iterator[None]:
    lock = FileLock(lock_file)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        console.print(f"{name}: another process is fetching it; waiting", markup=False)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _is_right(file: Path, md5: str | None) -> bool:
    return md5 is not None and file.is_file() and file_digest(file, "md5") == md5.lower()


def _fetch_first(urls: Sequence[str], target: Path, md5: str | None, work: Path) -> None:
    """Try one url after the other; `work` is the folder of their partial files."""
    earlier = work.with_suffix(".placed")  # where the last run that fetched this file put it
    if md5 and earlier.exists():
        with suppress(DownloadError, OSError):  # it may be gone, or another file by now
            return _copy(earlier.read_text(), target, md5)
    reasons = []
    for url in urls:
        try:
            _fetch_one(url, target, md5, work)
        except DiskError:
            raise  # a mirror would meet the same disk
        except DownloadError as error:
            reasons.append(str(error))
        else:
            shutil.rmtree(work, ignore_errors=True)
            earlier.write_text(str(target.absolute()))
            return None
    heading = [f"{target.name} could not be fetched from any of {len(urls)} places:"]
    raise DownloadError("\n  ".join((heading if len(urls) > 1 else []) + reasons))


def _fetch_one(url: str, target: Path, md5: str | None, work: Path) -> None:
    if re.match(r"https?://", url, re.IGNORECASE):
        _download(url, target, md5, work)
    else:
        _copy(url, target, md5)


def _copy(url: str, target: Path, md5: str | None) -> None:
    try:
        source = _local_path(url).open("rb")
    except (OSError, RuntimeError) as error:
        raise DownloadError(f"{url}: {error}: correct the path") from None
    with source, atomic_file(target) as temporary:
        with temporary.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        _verify(temporary, md5, url)


def _local_path(url: str) -> Path:
    scheme, _, rest = url.partition(":")
    if scheme.lower() == "file":
        url = unquote(re.sub(r"^//(localhost)?(?=/)", "", rest))
    elif "://" in url:
        raise DownloadError(f"{url}: a url begins with http://, https:// or file:, or is a path")
    # DVC runs some experiments in a copy of the repository: `../pets.tar` means the same there.
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()) / Path(url).expanduser()


def _download(url: str, target: Path, md5: str | None, work: Path) -> None:
    work.mkdir(exist_ok=True)
    partial = Partial(work / hashlib.sha256(url.encode()).hexdigest()[:32])
    console.print(f"{target.name}: from {url}", markup=False, soft_wrap=True)
    transfer(url, partial, verified=md5 is not None)
    try:
        _verify(partial.file, md5, url)
    except DownloadError:
        partial.discard()
        raise
    with atomic_file(target) as temporary:
        shutil.move(partial.file, temporary)  # copies where the cache is on another disk


def _verify(file: Path, md5: str | None, url: str) -> None:
    if md5 is None or (found := file_digest(file, "md5")) == md5.lower():
        return
    raise DownloadError(
        f"{url}: wrong checksum: expected md5 {md5}, found {found}. It was damaged on the way or "
        "replaced by another file: run it again, add a mirror, or correct the md5"
    )
