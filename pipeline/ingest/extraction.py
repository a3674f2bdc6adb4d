"""From two archives to a folder of checked pairs: images/, masks/, index.csv, quarantine.csv."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from functools import partial
from pathlib import Path

import imagehash

from pipeline.core.files import atomic_folder, file_digest, naming, scratch_folder, write_rows
from pipeline.core.terminal import UserError, console, printable, track
from pipeline.data.images import save_mask
from pipeline.data.pets import breed_of, image_path, mask_path, species_of
from pipeline.ingest.archives import extract_archive, find_archive
from pipeline.ingest.checks import UnusableError, check_pair
from pipeline.ingest.inventory import Fault, Listed, Reason, take_inventory
from pipeline.ingest.parallel import map_processes

SHOWN = 10  # kinds of faults in an error message
REMEDIES = {Reason.MASK_VALUES: "; write 1 for pet, 2 for background, 3 for border"}
COLUMNS = ["name", "breed", "species", "width", "height", "split"]
COLUMNS += ["image_sha256", "mask_sha256", "phash", "note"]
FAULT_COLUMNS = ("name", "file", "reason", "found")

Row = dict[str, str | int]


def extract(raw: Path, pets: Path, max_quarantined_fraction: float) -> dict[str, object]:
    """Write the folder `pets` from the two archives in `raw`; return the counts.

    The folder holds images/, masks/, index.csv (a row for each usable pair) and quarantine.csv (a
    row for each name not used). The quarantined fraction is the share of the listed names
    (trainval or test) that have no usable pair; files in no list are quarantined, but not counted.
    Raises UserError for missing or unsafe archives, another layout, bad lists, or a quarantined
    fraction above the given one; `pets` is then left as it was.
    """
    with scratch_folder(pets) as source:
        for stem in ("images", "annotations"):
            extract_archive(find_archive(raw, stem), source)
        listed, faults, names = take_inventory(source)
        with atomic_folder(pets) as target:
            unusable, pairs, notes = store_pairs(listed, source, target)
            assert pairs.total() + len(unusable) == len(listed), "a pair is lost"
            quarantine = sorted([*faults, *unusable])
            fraction = (names - len(listed) + len(unusable)) / names
            _stop_if_above(max_quarantined_fraction, fraction, quarantine, pets)
            write_rows(target / "quarantine.csv", FAULT_COLUMNS, map(_cells, quarantine))
    reasons = Counter(fault.reason for fault in quarantine)
    console.print(f"{pairs.total()} pairs are usable, {len(quarantine)} names are quarantined")
    for what, count in [*notes.items(), *reasons.items()]:
        console.print(f"  {what}: {count}")
    return {
        "pairs": _by_split(pairs),
        "notes": notes,
        "quarantined": reasons,
        "quarantined_fraction": round(fraction, 6),
    }


def store_pairs(
    listed: list[Listed], source: Path, target: Path
) -> tuple[list[Fault], Counter, Counter]:
    """Check the pairs in all cores; write the usable ones and index.csv.

    Returns the pairs that cannot be used, and the counts of (split, species) and of notes.
    """
    (target / "images").mkdir()
    (target / "masks").mkdir()
    faults: list[Fault] = []
    pairs: Counter = Counter()
    notes: Counter = Counter()
    results = map_processes(partial(store_pair, source=source, target=target), listed)

    def usable() -> Iterator[Iterable[str | int]]:
        for pair, result in checked:  # sorted by name, like the list
            if isinstance(result, dict):
                pairs[result["split"], result["species"]] += 1
                notes.update(str(result["note"]).split("; ") if result["note"] else ())
                yield result.values()
            elif isinstance(result, Fault):
                faults.append(result)
            else:
                reason = Reason.HUNG if isinstance(result, TimeoutError) else Reason.CRASHED
                faults.append(Fault(pair.name, pair.image, reason))

    with track(results, "checking pictures", len(listed)) as checked:
        write_rows(target / "index.csv", COLUMNS, usable())
    return faults, pairs, notes


def store_pair(pair: Listed, source: Path, target: Path) -> Row | Fault:
    """Write one pair and return its row of index.csv, or why it cannot be used."""
    try:
        usable = check_pair(source / pair.image, source / pair.trimap)
    except UnusableError as error:
        file = error.file.relative_to(source).as_posix()
        return Fault(pair.name, file, error.reason, error.found)
    image, mask = image_path(target, pair.name), mask_path(target, pair.name)
    with naming(target.parent):
        image.write_bytes(usable.jpeg)
        save_mask(mask, usable.mask)
    return {
        "name": pair.name,
        "breed": breed_of(pair.name),
        "species": species_of(pair.name),
        "width": usable.image.width,
        "height": usable.image.height,
        "split": pair.split,
        "image_sha256": file_digest(image),
        "mask_sha256": file_digest(mask),
        "phash": str(imagehash.phash(usable.image)),
        "note": "; ".join([*usable.notes, *pair.notes]),
    }


def _stop_if_above(limit: float, fraction: float, quarantine: list[Fault], pets: Path) -> None:
    listing = pets.with_name(f"{pets.name}-quarantine.csv")
    listing.unlink(missing_ok=True)
    if fraction <= limit:
        return
    write_rows(listing, FAULT_COLUMNS, map(_cells, quarantine))
    kinds: dict[tuple[Reason, str], list[str]] = defaultdict(list)
    for fault in quarantine:
        kinds[fault.reason, fault.found].append(fault.file)
    shown = [
        f"  {len(files)} x {reason}{found and f' (found {found})'}, such as {files[0]}"
        + REMEDIES.get(reason, "")
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


def _by_split(pairs: Counter) -> dict[str, dict[str, int]]:
    """{split: {"total": ..., species: ...}}, the most frequent species first."""
    counts: dict[str, dict[str, int]] = {split: {"total": 0} for split, _ in sorted(pairs)}
    for (split, species), count in pairs.most_common():
        counts[split][species] = count
        counts[split]["total"] += count
    return counts
