"""Draw a random grid of photographs and their masks."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.files import atomic_file
from pipeline.core.layout import PAIRS, SPLITS
from pipeline.core.terminal import UserError, console, positive, run_command

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

A_ROW = 3  # pairs


def main() -> None:
    arguments = parse_arguments()
    from pipeline.data.splits import read_split

    table = read_split(SPLITS / f"{arguments.split}.csv")
    table = choose(table, arguments.breed, arguments.count, arguments.seed)
    with atomic_file(arguments.out) as temporary:
        draw(PAIRS, table["name"].tolist()).save(temporary, format="PNG")
    console.print(f"{len(table)} of {arguments.split}: {arguments.out}", markup=False)


def choose(table: "pd.DataFrame", breed: str | None, count: int, seed: int) -> "pd.DataFrame":
    """At most `count` random rows, of one breed if given. Raises UserError for an unknown breed.

    A breed may be written in any case, and with blanks between its words.
    """
    if breed is not None:
        known = sorted(table["breed"].unique())
        named = [each for each in known if each.lower() == breed.lower().replace(" ", "_")]
        if not named:
            raise UserError(f"--breed {breed}: not in this list; known: {', '.join(known)}")
        table = table[table["breed"] == named[0]]
    return table.sample(min(count, len(table)), random_state=seed)


def draw(data: Path, names: list[str]) -> "Image.Image":
    """Image and overlay side by side, A_ROW of them a row, below the colours' legend."""
    from PIL import Image

    from pipeline.data.images import load_image, load_mask
    from pipeline.data.pairs import BORDER, PET, image_path, mask_path
    from pipeline.scoring.pictures import MASK_LEGEND, grid, overlay, with_legend

    tiles, captions = [], []
    for name in names:
        image, mask = load_image(image_path(data, name)), load_mask(mask_path(data, name))
        tiles += [Image.fromarray(image), overlay(image, mask)]
        pet, border = ((mask == kind).mean() for kind in (PET, BORDER))
        size = f"{image.shape[1]}x{image.shape[0]}"
        captions += [f"{name}, {size}", f"{pet:.0%} pet, {border:.0%} border"]
    sheet = grid(tiles, captions, columns=2 * min(A_ROW, len(names)), height=220)
    return with_legend(sheet, MASK_LEGEND)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.visualize", description=__doc__)
    parser.add_argument("--split", choices=("train", "val", "test"), default="train")
    parser.add_argument("--breed", help="one breed only, e.g. Bengal or beagle")
    parser.add_argument("--count", type=positive, default=12, help="pictures (12)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice (0)")
    parser.add_argument("--out", type=Path, default=Path("results/samples.png"))
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
