"""Predict any number of images in an object store: write masks, and a table of the answers.

The table is a folder of Parquet files, its parts. A part is written after all its masks, so the
table names what is done, and a kill loses no more than the part that was being made.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import partial
from io import BytesIO
from itertools import tee
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipeline.core.terminal import UserError
from pipeline.data.classes import Classes
from pipeline.data.images import ImageError
from pipeline.deploy.folder import SUFFIXES, Job, Note, Report, predict_all
from pipeline.deploy.predictor import Predictor
from pipeline.deploy.results import Drawings, image_key, png_of
from pipeline.deploy.stores import Found, Place

ROWS = 500  # of a part
# For each core. A thread mostly waits for the store, which answers in tens of milliseconds.
THREADS = 4

KINDS = ("mask", "confidence")  # of the results: whoever has the image can draw the others


def images_to_do(images: Place, out: Place, done: "Done") -> Iterator[Found | UserError]:
    """Yield the images in and below the place that the table does not have, by suffix.

    Hidden files are left out, and the results in `out`. A folder that may not be read is an error.
    """
    # A local store's address loses a slash at the end.
    ours = tuple(f"{out.address(f'{out.path}/{name}')}/" for name in ("masks", "table"))
    for file in images.files():
        if isinstance(file, UserError):
            yield file
            continue
        inside = PurePosixPath(file.path.removeprefix(images.path))
        hidden = any(part.startswith(".") and part != ".." for part in inside.parts)
        if inside.suffix.lower() in SUFFIXES or file.path == images.path:
            address = images.address(file.path)
            if not hidden and not address.startswith(ours) and address not in done:
                yield file


def predict_batch(
    model: Predictor,
    images: Place,
    files: Iterable[Found | UserError],
    out: Place,
    threads: int,
    *,
    confidence: bool = False,
    note: Note | None = None,
) -> Iterator[Report | UserError]:
    """Write the files' masks and the table below `out`; yield as `predict_all` does.

    An image that cannot be decoded is in the table, with the error. One that the store does not
    give, or whose mask it does not take, is left out, so that the next run tries it again.
    Raises UserError if the files cannot be listed, or if ROWS images are left out that way before
    a part is full: then the store is out of reach.
    """
    jobs, named = tee(_job(model, images, file, out) for file in files)
    rows: list[Report] = []
    failed = 0
    outcomes = predict_all(model, jobs, threads, confidence=confidence, note=note)
    for outcome, job in zip(outcomes, named, strict=True):
        yield outcome
        if isinstance(job, UserError):  # its name's fault, or its folder's: nothing was read
            continue
        if isinstance(outcome, ImageError):
            rows.append({"name": job.name, "model": model.identity, "error": str(outcome)})
        elif isinstance(outcome, UserError):
            failed += 1
        else:
            rows.append(outcome)
        if ROWS in (len(rows), failed):
            _write_part(out, rows, model.classes)
            if failed == ROWS:
                raise UserError(f"stopped after {failed} errors of the store; what is done is kept")
            rows, failed = [], 0
    _write_part(out, rows, model.classes)


def _job(model: Predictor, images: Place, file: Found | UserError, out: Place) -> Job | UserError:
    if isinstance(file, UserError):
        return file
    address = images.address(file.path)
    try:
        inside = _as_path(address)
    except UserError as error:
        return error
    # A local file's mask has the bytes that it has without a store.
    key = image_key(Path(file.path) if images.is_local else address)

    def save(drawn: Drawings) -> dict[str, str]:
        # The whole address, with its suffix: no two images have results of one name.
        target, written = f"{out.path}/masks/{inside}", {}
        for kind in KINDS:
            if kind in drawn:
                path = f"{target}.{kind}.png"
                out.write(path, png_of(drawn[kind](), model.identity, key))
                written[kind] = out.address(path)
        return written

    return Job(address, partial(images.read, file), save)


def _as_path(address: str) -> str:
    """s3://bucket/a.jpg as s3/bucket/a.jpg.

    Raises UserError where folders would lose a part, or the table cannot hold the name.
    """
    protocol, _, path = address.partition("://")
    parts = path.lstrip("/").split("/")
    if not {"", ".", ".."}.isdisjoint(parts):
        raise UserError(f"{address}: a part of its name is empty, . or ..: rename it")
    if address.encode(errors="replace").decode() != address:
        raise UserError(f"{address}: its name is not in UTF-8: rename it")
    return "/".join([protocol, *parts])


def _schema(classes: Classes) -> pa.Schema:
    """The table's columns: the keys of the JSON lines except the time taken, and the error."""
    text, share = pa.string(), pa.float64()
    return pa.schema(
        {
            "name": text,
            "width": pa.int32(),
            "height": pa.int32(),
            "foreground_share": share,
            "foreground_box": pa.list_(pa.int32()),
            "shares": pa.struct(dict.fromkeys(classes.names, share)),
            "confidence": share,
            "model": pa.struct({"version": pa.int32(), "digest": text, "dataset": text}),
            "files": pa.struct(dict.fromkeys(KINDS, text)),
            "warning": text,
            "error": text,
        }
    )


def _write_part(out: Place, rows: list[Report], classes: Classes) -> None:
    """Equal rows make equal bytes under an equal name: a part that is written twice stays one."""
    if not rows:
        return
    content, digest = BytesIO(), hashlib.sha256("\n".join(row["name"] for row in rows).encode())
    pq.write_table(pa.Table.from_pylist(rows, _schema(classes)), content)
    out.write(f"{out.path}/table/{digest.hexdigest()[:16]}.parquet", content.getvalue())


class Done:
    """The names in the table: `name in done`. They take 8 bytes each, so a million are 8 MB."""

    def __init__(self, out: Place, identity: dict[str, Any]) -> None:
        """Raises UserError if another model was at work there, or the store fails."""
        try:
            self.keys = np.sort(np.fromiter(_keys(out, identity["digest"]), np.uint64))
        except FileNotFoundError:
            self.keys = np.empty(0, np.uint64)
        except UserError:
            raise
        except Exception as error:  # stores raise errors of many kinds
            raise UserError(f"{out.address(out.path)}: {error}") from None

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, name: str) -> bool:
        place = np.searchsorted(self.keys, key := _key(name))
        return bool(place < len(self.keys) and self.keys[place] == key)


def _keys(out: Place, digest: str) -> Iterator[np.uint64]:
    table = ds.dataset(f"{out.path}/table", filesystem=out.store, format="parquet")
    if not table.files:  # a run was killed before it wrote the first
        return
    wanted = {"name": ds.field("name"), "digest": ds.field("model", "digest")}
    for batch in table.to_batches(columns=wanted):
        if others := set(pc.unique(batch["digest"]).to_pylist()) - {digest}:
            place = out.address(out.path)
            raise UserError(
                f"{place} holds results of another model, {others.pop()}: choose another"
            )
        yield from (_key(name.as_py()) for name in batch["name"])


def _key(name: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(os.fsencode(name), digest_size=8).digest()))
