"""Extract the archives, check every pair of photograph and mask, and write the usable ones."""

import argparse
import csv
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import imagehash
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.files import atomic_folder, file_digest, scratch_folder, write_csv, write_json
from pipeline.core.params import STRICT, read_section
from pipeline.core.terminal import UserError, console, run_command, track
from pipeline.data.pets import breed_of, image_path, mask_path, save_mask, species_of
from pipeline.ingest.archives import extract_archive, find_archive
from pipeline.ingest.checks import UnusableError, check_pair
from pipeline.ingest.findings import Reason
from pipeline.ingest.inventory import Fault, Listed, take_inventory
from pipeline.ingest.parallel import map_processes

SHOWN = 20  # quarantined names in an error message
ROWS = ["name", "breed", "species", "width", "height", "split"]
ROWS += ["image_sha256", "mask_sha256", "phash", "note"]

Row = dict[str, str | int]


@dataclass(frozen=True, config=STRICT)
class ExtractParams:
    """The params.yaml section `extract`."""

    max_quarantined_fraction: Annotated[float, Field(ge=0, le=1)]  # of the listed names


def main() -> None:
    """Read the archives, check their pairs, write the usable ones and what became of the rest."""
    arguments = parse_arguments()
    params = read_section("extract", ExtractParams)
    metrics = extract(arguments.raw, arguments.pets, params.max_quarantined_fraction)
    write_json(arguments.metrics, metrics)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.extract", description=__doc__)
    parser.add_argument("raw", type=Path, help="folder with images.tar* and annotations.tar*")
    parser.add_argument("pets", type=Path, help="folder to write: images/, masks/, index.csv")
    parser.add_argument("metrics", type=Path, help="JSON file to write: counts")
    return parser.parse_args()


def extract(raw: Path, pets: Path, max_quarantined_fraction: float) -> dict[str, object]:
    """Write the folder `pets` from the two archives in `raw`; return the counts.

    The folder holds images/, masks/, index.csv (a row a usable pair) and quarantine.csv (a row a
    name not used). The quarantined fraction is the listed names (trainval or test) without a usable
    pair, of all listed names; files in no list are quarantined, but do not count in it.
    Raises UserError for missing or unsafe archives, another layout, bad lists, or a quarantined
    fraction above the given one; `pets` is then left as it was.
    """
    with scratch_folder(pets) as source:
        for stem in ("images", "annotations"):
            extract_archive(find_archive(raw, stem), source)
        listed, faults, names = take_inventory(source)
        with atomic_folder(pets) as target:
            unusable = store_pairs(listed, source, target)
            quarantine = _quarantine_table([*faults, *unusable])
            fraction = (names - len(listed) + len(unusable)) / names
            _stop_if_above(max_quarantined_fraction, fraction, quarantine, pets)
            write_csv(target / "quarantine.csv", quarantine)
    return _summary(pets / "index.csv", quarantine, fraction)


def store_pairs(listed: list[Listed], source: Path, target: Path) -> list[Fault]:
    """Check the pairs in all cores; write the usable ones and their index, return the rest."""
    (target / "images").mkdir()
    (target / "masks").mkdir()
    faults: list[Fault] = []
    results = map_processes(partial(store_pair, source=source, target=target), listed)
    try:
        with (
            (target / "index.csv").open("w", newline="") as index,
            track(results, "checking pictures", len(listed)) as checked,
        ):
            table = csv.DictWriter(index, ROWS, lineterminator="\n")
            table.writeheader()
            for pair, result in checked:  # sorted by name, as they are listed
                if isinstance(result, dict):
                    table.writerow(result)
                else:
                    faults.append(result or Fault(pair.name, pair.image, Reason.CRASHED))
    except OSError as error:  # the pictures were just extracted here: it is the disk
        raise UserError(
            f"{target.parent}: pictures cannot be written: {error.strerror}."
            " Make room or mend the permissions, and run it again"
        ) from None
    return faults


def store_pair(pair: Listed, source: Path, target: Path) -> Row | Fault:
    """Write one pair and return its row of index.csv, or why it cannot be used."""
    try:
        usable = check_pair(source / pair.image, source / pair.trimap)
    except UnusableError as error:
        return Fault(pair.name, error.file.relative_to(source).as_posix(), error.reason)
    image, mask = image_path(target, pair.name), mask_path(target, pair.name)
    image.write_bytes(usable.jpeg)
    save_mask(mask, usable.mask)
    return {
        "name": pair.name,
        "breed": breed_of(pair.name),
        "species": species_of(pair.name),
        "width": usable.picture.width,
        "height": usable.picture.height,
        "split": pair.split,
        "image_sha256": file_digest(image),
        "mask_sha256": file_digest(mask),
        "phash": str(imagehash.phash(usable.picture)),
        "note": "; ".join([*usable.notes, *pair.notes]),
    }


def _quarantine_table(faults: list[Fault]) -> pd.DataFrame:
    rows = [asdict(fault) for fault in sorted(faults)]
    return pd.DataFrame(rows, columns=["name", "file", "reason"])


def _stop_if_above(limit: float, fraction: float, quarantine: pd.DataFrame, pets: Path) -> None:
    listing = pets.with_name(f"{pets.name}-quarantine.csv")
    listing.unlink(missing_ok=True)
    if fraction <= limit:
        return
    write_csv(listing, quarantine)
    shown = [f"  {row.file}: {row.reason}" for row in quarantine.head(SHOWN).itertuples()]
    raise UserError(
        f"{fraction:.1%} of the listed pictures cannot be used, more than"
        f" extract.max_quarantined_fraction ({limit:.1%}) in params.yaml allows:\n"
        + "\n".join(shown)
        + f"\nAll {len(quarantine)} are in {listing}. Mend the archives, or raise the limit."
    )


def _summary(file: Path, quarantine: pd.DataFrame, fraction: float) -> dict[str, object]:
    """The counts of metrics/extract.json, from index.csv; they are printed too."""
    index = pd.read_csv(file, usecols=["species", "split", "note"], keep_default_na=False)
    notes = Counter(note for cell in index["note"] if cell for note in cell.split("; "))
    reasons = Counter(quarantine["reason"])
    console.print(f"{len(index)} pairs are usable, {len(quarantine)} names are quarantined")
    for what, count in [*notes.items(), *reasons.items()]:
        console.print(f"  {what}: {count}")
    return {
        "pairs": {
            split: {"total": len(part), **part["species"].value_counts().to_dict()}
            for split, part in index.groupby("split")
        },
        "notes": notes,
        "quarantined": reasons,
        "quarantined_fraction": round(fraction, 6),
    }


if __name__ == "__main__":
    run_command(main)
