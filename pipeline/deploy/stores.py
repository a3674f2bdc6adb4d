"""The files of object stores, and of whatever else fsspec knows: listed, read and written."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from fsspec import get_filesystem_class
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import get_protocol

from pipeline.core.files import write_file
from pipeline.core.terminal import UserError
from pipeline.data.images import MAX_BYTES


class Found(NamedTuple):
    """A file in a store."""

    path: str  # as the store calls it: without the protocol
    size: int  # bytes


class Place:
    """A file or folder in a store: `s3://bucket/folder`, `gs://...`, `file:///...`, or a path."""

    def __init__(self, address: str) -> None:
        """Raises UserError for a store that fsspec does not know, or lacks a package for."""
        try:
            # A file's own address must name it: it is its key in the table.
            kind = get_filesystem_class(get_protocol(address))
            if "::" in address or kind._get_kwargs_from_urls(address).keys() - {"version_aware"}:
                raise UserError(f"{address}: addresses with a host or an archive are not accepted")
            # Listings are not kept: there may be a million names in them.
            self.store, path = url_to_fs(address, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise UserError(f"{address}: {error}") from None
        self.path = path.rstrip("/")
        self.is_local = isinstance(self.store, LocalFileSystem)

    def address(self, path: str) -> str:
        """The file's whole address, with which anybody can open it."""
        return self.store.unstrip_protocol(path)

    def files(self) -> Iterator[Found | UserError]:
        """Yield the file itself, or the files in and below the folder. Raises UserError.

        A folder below that may not be read yields an error.

        No more than a page of names is in memory from S3, and the names of a folder from others.
        """
        try:
            entry = self.store.info(self.path)
            if entry["type"] != "directory":
                yield Found(self.path, entry["size"])
            elif hasattr(self.store, "call_s3"):
                yield from _pages(self.store, *self.store.split_path(f"{self.path}/")[:2])
            else:
                yield from _below(self.store, self.path)
        except FileNotFoundError:
            raise UserError(f"{self.address(self.path)}: no such file or folder") from None
        except Exception as error:  # stores raise errors of many kinds
            raise UserError(f"{self.address(self.path)}: {error}") from None

    def read(self, file: Found) -> Path | BytesIO:
        """A source for `decode_image`. From a store, at most one byte above its limit is read.

        Raises UserError if the store does not give it.
        """
        if self.is_local:
            return Path(file.path)
        name = self.address(file.path)
        try:
            # Without a range s3fs first asks for the size.
            end = min(file.size, MAX_BYTES + 1)
            content = BytesIO(self.store.cat_file(file.path, start=0, end=end) if end else b"")
        except Exception as error:  # as above
            raise UserError(f"{name}: it cannot be read: {error}") from None
        content.name = name  # errors name the file by it
        return content

    def write(self, path: str, content: bytes) -> None:
        """Write a file, which appears whole or not at all. Raises UserError."""
        try:
            if self.is_local:
                write_file(Path(path), content)
            else:
                self.store.pipe_file(path, content)
        except Exception as error:  # as above
            raise UserError(f"{self.address(path)}: it cannot be written: {error}") from None


def _pages(store: Any, bucket: str, prefix: str) -> Iterator[Found]:
    """S3's names below the prefix, a page at a time; s3fs itself lists them all at once."""
    asked = {"Bucket": bucket, "Prefix": prefix}
    while True:
        page = store.call_s3("list_objects_v2", **asked)
        for entry in page.get("Contents", ()):
            yield Found(f"{bucket}/{entry['Key']}", entry["Size"])
        if not page["IsTruncated"]:
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


def _below(store: Any, folder: str) -> Iterator[Found | UserError]:
    """The files in and below the folder, by name. Not fsspec's walk, which skips over errors."""
    try:
        entries = sorted(store.ls(folder, detail=True), key=lambda each: each["name"])
    except PermissionError as error:
        yield UserError(f"{store.unstrip_protocol(folder)}: {error.strerror or error}")
        return
    for entry in entries:
        if entry["type"] != "directory":
            yield Found(entry["name"], entry["size"])
        elif not entry.get("islink") and entry["name"].rstrip("/") != folder.rstrip("/"):
            yield from _below(store, entry["name"])
