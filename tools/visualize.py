"""Draw a random grid of photographs and their masks."""

import argparse
from pathlib import Path

import pandas as pd
from PIL import Image

from pipeline.core.files import atomic_file
from pipeline.core.terminal import UserError, console, positive, run_command
from pipeline.data.images import load_image, load_mask
from pipeline.data.pets import BORDER, PET, image_path, mask_path
from pipeline.data.splits import read_split
from pipeline.scoring.pictures import MASK_LEGEND, grid, overlay, with_legend

PAIRS = 3  # a row


def main() -> None:
    arguments = parse_arguments()
    table = choose(
        read_split(arguments.splits / f"{arguments.split}.csv"),
        arguments.breed,
        arguments.count,
        arguments.seed,
    )
    sheet = draw(arguments.pets, table)
    with atomic_file(arguments.out) as temporary:
        sheet.save(temporary, format="PNG")
    console.print(f"{len(table)} of {arguments.split}: {arguments.out}", markup=False)


def choose(table: pd.DataFrame, breed: str | None, count: int, seed: int) -> pd.DataFrame:
    """At most `count` random rows, of one breed if given. Raises UserError for an unknown breed.

    Case does not matter in a breed's name, nor whether its words are joined by blanks.
    """
    if breed is not None:
        known = sorted(table["breed"].unique())
        named = [each for each in known if each.lower() == breed.lower().replace(" ", "_")]
        if not named:
            raise UserError(f"--breed {breed}: not in this list; known: {', '.join(known)}")
        table = table[table["breed"] == named[0]]
    return table.sample(min(count, len(table)), random_state=seed)


def draw(pets: Path, table: pd.DataFrame) -> Image.Image:
    """Photograph and overlay side by side, PAIRS a row, below the colours' legend."""
    tiles, captions = [], []
    for name in table["name"]:
        photograph = load_image(image_path(pets, name))
        mask = load_mask(mask_path(pets, name))
        tiles += [Image.fromarray(photograph), overlay(photograph, mask)]
        pet, border = ((mask == kind).mean() for kind in (PET, BORDER))
        captions += [
            f"{name}, {photograph.shape[1]}x{photograph.shape[0]}",
            f"{pet:.0%} pet, {border:.0%} border",
        ]
    pictures = grid(tiles, captions, columns=2 * min(PAIRS, len(table)), height=220)
    return with_legend(pictures, MASK_LEGEND)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.visualize", description=__doc__)
    parser.add_argument("--split", choices=("train", "val", "test"), default="train")
    parser.add_argument("--breed", help="one breed only, e.g. Bengal or beagle")
    parser.add_argument("--count", type=positive, default=12, help="pictures (12)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice (0)")
    parser.add_argument("--pets", type=Path, default=Path("data/pets"))
    parser.add_argument("--splits", type=Path, default=Path("data/splits"))
    parser.add_argument("--out", type=Path, default=Path("results/samples.png"))
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
