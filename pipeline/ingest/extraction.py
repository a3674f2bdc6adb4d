"""From archives to a folder of checked pairs, images/ and masks/ or shards/, and their tables."""

import hashlib
import re
import shutil
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path

import imagehash
from pydantic import TypeAdapter

from pipeline.core.files import (
    atomic_folder,
    file_digest,
    naming,
    scratch_folder,
    write_json,
    write_rows,
)
from pipeline.core.terminal import UserError, console, printable, track
from pipeline.data.classes import FILE, Classes
from pipeline.data.description import Description
from pipeline.data.images import save_mask
from pipeline.data.pairs import SHARD_COLUMNS, SHARDS, image_path, mask_path, shard_path
from pipeline.ingest.archives import ArchiveError, archive_path, extract_archive
from pipeline.ingest.checks import MaskValues, UnusableError, check_pair, mask_values
from pipeline.ingest.inventory import take_inventory
from pipeline.ingest.parallel import map_processes
from pipeline.ingest.vocabulary import Fault, Listed, Note, Reason

SHOWN = 10  # kinds of faults in an error message
COLUMNS = ("width", "height", "split", "image_sha256", "mask_sha256", "phash", "note")
FAULT_COLUMNS = ("name", "file", "reason", "found")

Row = dict[str, str | int]


def extract(
    description: Description,
    where: Path,
    raw: Path,
    data: Path,
    max_quarantined_fraction: float,
    *,
    shards: int = 0,
) -> dict[str, object]:
    """Write the folder `data` from the archives in `raw`; return the counts.

    `where`: the file of the description. The folder holds images/ and masks/, or so many shards
    in shards/; dataset.json (the classes), index.csv (a row for each usable pair) and
    quarantine.csv (a row for each name not used). The quarantined fraction is the share of the
    listed names that have no usable pair; files in no list are quarantined, but not counted.
    Raises UserError for missing or unsafe archives, another layout, bad lists, or a quarantined
    fraction above the given one; `data` is then left as it was.
    """
    classes = description.to_classes(where.stem)
    with scratch_folder(data) as source:
        for archive in [archive_path(raw, name) for name in description.archives]:
            if not archive.is_file():
                raise ArchiveError(f"{archive} is missing: run the stage download first")
            extract_archive(archive, source)
        listed, faults, names = take_inventory(source, description, where)
        with atomic_folder(data) as target:
            unusable, pairs, notes = store_pairs(
                listed, classes, mask_values(description), source, target, shards=shards
            )
            assert pairs.total() + len(unusable) == len(listed), "a pair is lost"
            quarantine = sorted([*faults, *unusable])
            fraction = (names - len(listed) + len(unusable)) / names
            _stop_if_above(max_quarantined_fraction, fraction, quarantine, data, where)
            write_rows(target / "quarantine.csv", FAULT_COLUMNS, map(_cells, quarantine))
            write_json(target / FILE, TypeAdapter(Classes).dump_python(classes))
    reasons = Counter(fault.reason for fault in quarantine)
    console.print(f"{pairs.total()} pairs are usable, {len(quarantine)} names are quarantined")
    for what, count in [*notes.items(), *reasons.items()]:
        console.print(f"  {what}: {count}")
    if notes[Note.NOT_ROTATED]:
        told = "are taken as stored, since their masks' size fits: see Masks in docs/datasets.md"
        console.print(f"warning: {notes[Note.NOT_ROTATED]} images with an EXIF rotation {told}")
    return {
        "pairs": dict(sorted(pairs.items())),
        "notes": notes,
        "quarantined": reasons,
        "quarantined_fraction": round(fraction, 6),
    }


def store_pairs(
    listed: Sequence[Listed],
    classes: Classes,
    meaning: MaskValues,
    source: Path,
    target: Path,
    *,
    shards: int = 0,
) -> tuple[list[Fault], Counter, Counter]:
    """Check the pairs in all cores; write the usable ones, as files or to shards, and index.csv.

    Returns the pairs that cannot be used, and the counts of splits and of notes.
    """
    (target / "images").mkdir()
    (target / "masks").mkdir()
    faults: list[Fault] = []
    pairs: Counter = Counter()
    notes: Counter = Counter()
    store = partial(store_pair, classes=classes, meaning=meaning, source=source, target=target)
    results = map_processes(store, listed)

    def usable() -> Iterator[Iterable[str | int]]:
        for pair, result in checked:  # sorted by name, like the list
            if isinstance(result, dict):
                pairs[result["split"] or "in no list"] += 1
                notes.update(str(result["note"]).split("; ") if result["note"] else ())
                yield [
                    *result.values(),
                    *(move_into_shard(target, pair.name, shards) if shards else ()),
                ]
            elif isinstance(result, Fault):
                faults.append(result)
            else:
                reason = Reason.HUNG if isinstance(result, TimeoutError) else Reason.CRASHED
                faults.append(Fault(pair.name, pair.image, reason))

    columns = ("name", *classes.groups, *COLUMNS, *(SHARD_COLUMNS if shards else ()))
    with track(results, "checking pictures", len(listed)) as checked:
        write_rows(target / "index.csv", columns, usable())
    if shards:
        end_shards(target, shards)
    return faults, pairs, notes


def store_pair(
    pair: Listed, classes: Classes, meaning: MaskValues, source: Path, target: Path
) -> Row | Fault:
    """Write one pair and return its row of index.csv, or why it cannot be used."""
    try:
        usable = check_pair(source / pair.image, source / pair.mask, meaning)
    except UnusableError as error:
        file = error.file.relative_to(source).as_posix()
        return Fault(pair.name, file, error.reason, error.found)
    image, mask = image_path(target, pair.name), mask_path(target, pair.name)
    with naming(target.parent):
        image.write_bytes(usable.jpeg)
        save_mask(mask, usable.mask, classes.palette)
    return {
        "name": pair.name,
        **dict(zip(classes.groups, pair.groups, strict=True)),
        "width": usable.image.width,
        "height": usable.image.height,
        "split": pair.split,
        "image_sha256": file_digest(image),
        "mask_sha256": file_digest(mask),
        "phash": str(imagehash.phash(usable.image)),
        "note": "; ".join([*usable.notes, *pair.notes]),
    }


def move_into_shard(folder: Path, name: str, shards: int) -> list[int]:
    """Move the two files of a pair into one of so many shards; return its SHARD_COLUMNS.

    A shard is a tar archive in webdataset's layout: NAME.png follows NAME.jpg.
    The pair's name decides the shard, so that adding or removing a pair changes only that one.
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


def _stop_if_above(
    limit: float, fraction: float, quarantine: list[Fault], data: Path, where: Path
) -> None:
    listing = data.with_name(f"{data.name}-quarantine.csv")
    listing.unlink(missing_ok=True)
    if fraction <= limit:
        return
    write_rows(listing, FAULT_COLUMNS, map(_cells, quarantine))
    kinds: dict[tuple[Reason, str], list[str]] = defaultdict(list)
    for fault in quarantine:
        kinds[fault.reason, fault.found].append(fault.file)
    shown = [
        f"  {len(files)} x {reason}{found and f' (found {found})'}, such as {files[0]}"
        + (f"; {where} says which there are" if reason is Reason.MASK_VALUES else "")
        for (reason, found), files in sorted(kinds.items(), key=lambda kind: -len(kind[1]))[:SHOWN]
    ]
    raise UserError(
        f"{fraction:.1%} of the listed pictures cannot be used, more than"
        f" extract.max_quarantined_fraction ({limit:.1%}) in params.yaml allows:\n"
        + "\n".join(shown)
        + f"\nAll {len(quarantine)} are in {listing}. Correct the archives, or raise the limit."
    )


def _cells(fault: Fault) -> list[str]:
    return [for_spreadsheets(text) for text in astuple(fault)]


def for_spreadsheets(text: str) -> str:
    """The text without control characters, and with ' before what would be a formula."""
    return re.sub(r"^[=+@\n-]", r"'\g<0>", printable(text))
