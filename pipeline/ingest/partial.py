"""A download that is not whole yet, and the errors of getting it whole."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.terminal import UserError


class DownloadError(UserError):
    """A file could not be fetched; the message says from where, why, and what to do."""


class DiskError(DownloadError):
    """Here the disk refused to take a file, so that another server would not help.

    `missing` is the number of bytes still to come, where it is known.
    """

    def __init__(self, error: OSError, file: Path, missing: int | None = None):
        needed = "" if missing is None else f", {missing:,} bytes are still to come"
        super().__init__(
            f"{file}: {error.strerror or error}{needed} ({_free(file):,} bytes are free there). "
            "Make room or mend the permissions, and run it again"
        )


def _free(path: Path) -> int:
    """Bytes free on the disk of `path`, which may not exist yet."""
    nearest = next(folder for folder in path.absolute().parents if folder.exists())
    return shutil.disk_usage(nearest).free


@dataclass(frozen=True)
class Partial:
    """The bytes received so far, and beside them which version of the file they belong to.

    The version is what the server gave to ask for "the rest, if it is still the same file":
    a strong ETag or a date, empty if it gave none.
    """

    file: Path

    @property
    def size(self) -> int:
        """Bytes received."""
        return self.file.stat().st_size if self.file.exists() else 0

    @property
    def version(self) -> str:
        """The server's name for the version received, or ''."""
        return self._version_file.read_text() if self._version_file.exists() else ""

    def begin(self, version: str = "") -> None:
        """Forget what was received, and note the version of what comes."""
        self.discard()
        self._version_file.write_text(version)

    def discard(self) -> None:
        """Remove what was received."""
        # In this order, so that bytes never stand beside the version of others.
        self.file.unlink(missing_ok=True)
        self._version_file.unlink(missing_ok=True)

    @property
    def _version_file(self) -> Path:
        return self.file.with_name(self.file.name + ".version")
