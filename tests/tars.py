"""Tar archives of files that are in memory only."""

import io
import tarfile
from collections.abc import Mapping


def tar_of(files: Mapping[str, bytes | None], compression: str = "") -> bytes:
    """An archive of the contents by name; None stands for a folder."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{compression}") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            member.size = len(content or b"")
            tar.addfile(member, io.BytesIO(content or b""))
    return stream.getvalue()
