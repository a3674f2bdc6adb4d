"""Draw a random grid of photographs and their masks."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.files import atomic_file
from pipeline.core.layout import PAIRS, SPLITS
from pipeline.core.terminal import UserError, between, positive, run_command, say

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from PIL import Image

    from pipeline.data.classes import Classes

A_ROW = 3  # pairs
WIDTH, HEIGHT = 240, 220  # of a tile, in pixels, at most


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.visualize", description=__doc__)
    lists = ("train", "val", "test")
    parser.add_argument("--split", choices=lists, default="train", help="list (train)")
    parser.add_argument("--group", help="pictures of one group only, by its label")
    parser.add_argument("--count", type=positive, default=12, help="pictures (12)")
    seed = between(0, 2**32 - 1)  # what pandas takes
    parser.add_argument("--seed", type=seed, default=0, help="of the choice (0)")
    parser.add_argument("--out", type=Path, default=Path("results/samples.png"))
    arguments = parser.parse_args()
    from pipeline.data.classes import read_classes
    from pipeline.data.splits import read_split

    classes = read_classes(PAIRS)
    table = read_split(SPLITS / f"{arguments.split}.csv")
    table = choose(table, arguments.group, arguments.count, arguments.seed)
    with atomic_file(arguments.out) as temporary:
        draw(PAIRS, table["name"].tolist(), classes).save(temporary, format="PNG")
    say(f"{len(table)} of {arguments.split}: {arguments.out}")


def choose(table: "pd.DataFrame", label: str | None, count: int, seed: int) -> "pd.DataFrame":
    """At most `count` random rows, of one group if its label is given.

    The label's case does not matter, nor do blanks for underscores. Raises UserError if unknown.
    """
    if label is not None:
        groups = table.drop(columns="name").astype(str)
        named = (groups.map(_plain) == _plain(label)).any(axis=1)
        if not named.any():
            found = (f"{group} {', '.join(sorted(set(groups[group])))}" for group in groups)
            known = "; ".join(found) or "the data set has no groups"
            raise UserError(f"--group {label}: not in this list; known: {known}")
        table = table[named]
    return table.sample(min(count, len(table)), random_state=seed)


def _plain(label: str) -> str:
    return label.lower().replace(" ", "_")


def draw(data: Path, names: list[str], classes: "Classes") -> "Image.Image":
    """Image and overlay side by side, A_ROW of them a row, below the colours' legend."""
    from PIL import Image

    from pipeline.data.pairs import pair_of
    from pipeline.scoring.pictures import fit, grid, mask_legend, overlay, with_legend

    tiles, captions = [], []
    for name in names:
        image, mask = pair_of(name, SPLITS, data)
        # Small at once: there may be many.
        both = (Image.fromarray(image), overlay(image, mask, classes))
        tiles += [fit(each, WIDTH, HEIGHT) for each in both]
        size = f"{image.shape[1]}x{image.shape[0]}"
        captions += [f"{name}, {size}", _content(mask, classes)]
    sheet = grid(tiles, captions, columns=2 * min(A_ROW, len(names)), width=WIDTH, height=HEIGHT)
    return with_legend(sheet, mask_legend(classes))


def _content(mask: "NDArray[np.uint8]", classes: "Classes") -> str:
    """The share of the foreground, or of the largest class if there is none."""
    import numpy as np

    pixels = np.bincount(mask.ravel(), minlength=len(classes))[: len(classes)]
    shown = classes.foreground or [int(pixels.argmax())]
    name = classes.subject if classes.foreground else classes.names[shown[0]]
    return f"{pixels[shown].sum() / mask.size:.0%} {name}"


if __name__ == "__main__":
    run_command(main)
