"""Get one file from the first of several places that has it: http(s), file:, or a path."""

import hashlib
import re
import shutil
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from urllib.parse import unquote

from pipeline.core.files import atomic_file, file_digest, locked
from pipeline.core.layout import in_repository
from pipeline.core.terminal import refusal, say
from pipeline.ingest.archives import pack_folder
from pipeline.ingest.transfer import DownloadError, transfer

DAMAGED = (
    "It was damaged on the way or replaced by another file: run it again, add a mirror, or correct "
    "the md5"
)
CHANGED = "The files in it have changed: run make train for this data set again"


def fetch(urls: Sequence[str], target: Path, md5: str | None, cache: Path) -> None:
    """Put the file at `target`, from the first url that yields it whole.

    A url is http(s), file:, or a path (`~` expands; a relative one starts in the repository). A
    folder becomes a tar archive.
    With an md5 the file is verified, is left alone if the right one is there, and a broken http
    transfer is continued by a later run from what is in the folder `cache`. Without one, nothing
    tells whether bytes that are here belong to the newest file, so it is fetched from the start.
    A second process that wants the same file waits, and with an md5 then copies the first one's.
    Raises DownloadError with the reason for each url; `target` is then what it was before.
    """
    key = hashlib.sha256(repr((*urls, md5)).encode()).hexdigest()[:32]
    try:
        cache.mkdir(parents=True, exist_ok=True)
        waiting = f"{target.name}: another process is fetching it; waiting"
        with locked(cache / f"{key}.lock", waiting):
            if not (md5 and target.is_file() and file_digest(target, "md5") == md5.lower()):
                _fetch_first(urls, target, md5, cache / key)
    except OSError as error:
        raise DownloadError(refusal(error, target)) from None


def _fetch_first(urls: Sequence[str], target: Path, md5: str | None, work: Path) -> None:
    """Try one url after the other; `work` is the folder for their partial files."""
    earlier = work.with_suffix(".placed")  # where the last run that fetched this file put it
    if md5 and earlier.exists():
        with suppress(DownloadError, OSError):  # it may be gone, or another file by now
            return _copy(earlier.read_text(encoding="utf-8"), target, md5)
    reasons = []
    for number, url in enumerate(urls):
        try:
            if re.match(r"https?://", url, re.IGNORECASE):
                _download(url, target, md5, work / str(number))
            else:
                _copy(url, target, md5)
        except DownloadError as error:
            reasons.append(str(error))
        else:
            shutil.rmtree(work, ignore_errors=True)
            earlier.write_text(str(target.absolute()))
            return None
    heading = [f"{target.name} could not be fetched from any of {len(urls)} places:"]
    raise DownloadError("\n  ".join((heading if len(urls) > 1 else []) + reasons))


def path_in(url: str) -> str:
    """The path that a file: url names; any other text as it is."""
    scheme, _, rest = url.partition(":")
    return unquote(re.sub(r"^//(localhost)?(?=/)", "", rest)) if scheme.lower() == "file" else url


def _copy(url: str, target: Path, md5: str | None) -> None:
    path = path_in(url)
    if path == url and "://" in url:
        raise DownloadError(f"{url}: a url begins with http://, https:// or file:, or is a path")
    try:
        place = in_repository(path)
        source = None if place.is_dir() else place.open("rb")
    except (OSError, RuntimeError) as error:
        raise DownloadError(f"{url}: {error}: correct the path") from None
    with source or nullcontext(), atomic_file(target) as temporary:
        with temporary.open("wb") as copy:
            if source:
                shutil.copyfileobj(source, copy, 1 << 20)
            else:
                pack_folder(place, copy)
        _verify(temporary, md5, url, DAMAGED if source else CHANGED)


def _download(url: str, target: Path, md5: str | None, partial: Path) -> None:
    partial.parent.mkdir(exist_ok=True)
    say(f"{target.name}: from {url}")
    transfer(url, partial, resume=md5 is not None)
    with atomic_file(target) as temporary:  # which is removed if it is the wrong one
        shutil.move(partial, temporary)  # copies if the cache is on another disk
        _verify(temporary, md5, url)


def _verify(file: Path, md5: str | None, url: str, remedy: str = DAMAGED) -> None:
    if md5 is None or (found := file_digest(file, "md5")) == md5.lower():
        return
    raise DownloadError(f"{url}: wrong checksum: expected md5 {md5}, found {found}. {remedy}")
