"""Tar shards in webdataset's layout: NAME.jpg and NAME.png of a pair, one after the other."""

import hashlib
import shutil
import tarfile
from pathlib import Path

from pipeline.core.files import naming
from pipeline.data.pairs import SHARDS, image_path, mask_path, shard_path


def move_into_shard(folder: Path, name: str, shards: int) -> list[int]:
    """Move the two files of a pair into one of so many shards; return its SHARD_COLUMNS.

    The name decides which shard it is, so that another pair, added or gone, changes only its own.
    Equal pairs that come in the same order give equal bytes.
    """
    places = [int.from_bytes(hashlib.sha256(name.encode()).digest()) % shards]
    shard = shard_path(folder, places[0])
    shard.parent.mkdir(exist_ok=True)
    with naming(folder.parent), shard.open("ab") as stream:
        for file in (image_path(folder, name), mask_path(folder, name)):
            content = file.read_bytes()
            member = tarfile.TarInfo(f"{name}{file.suffix}")  # of nobody, and of no time
            member.size = len(content)
            stream.write(member.tobuf(tarfile.PAX_FORMAT, "utf-8"))
            places += [stream.tell(), len(content)]
            stream.write(content + bytes(-len(content) % tarfile.BLOCKSIZE))
            file.unlink()
    return places


def end_shards(folder: Path, shards: int) -> None:
    """Write the ends of the archives, also of those that got no pair; remove images/ and masks/."""
    (folder / SHARDS).mkdir(exist_ok=True)
    for number in range(shards):
        with naming(folder.parent), shard_path(folder, number).open("ab") as stream:
            stream.write(bytes(2 * tarfile.BLOCKSIZE))
    for emptied in ("images", "masks"):
        shutil.rmtree(folder / emptied)
