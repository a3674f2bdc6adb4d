"""Print the scores that the last evaluation left in metrics/."""

import argparse
import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.table import Column, Table

from pipeline.core.layout import METRICS
from pipeline.core.terminal import UserError, console, run_command

NEXT_STEPS = """
What next:
  source .venv/bin/activate            dvc, mlflow and python of this project
  make report                          all about the model on one page
  make app                             try the model on your photographs in the browser
  make ui                              compare runs in the browser
  make visualize                       look at the data
  dvc exp run -S train.lr=0.001        try another setting, then: dvc exp show
  make oxford                          the same on the real photographs
"""
# The scores to show, and their names for people.
SHOWN = {
    "miou": "mIoU, mean of the classes",
    "iou.pet": "IoU of the pet",
    "iou.background": "IoU of the background",
    "iou.border": "IoU of the border",
    "per_image.miou": "mIoU, mean over pictures",
    "per_image.worst_tenth_miou": "mIoU, mean over the worst tenth",
    "border_merged.iou_pet": "IoU of the pet with its border",
    "border_ignored.iou_pet": "IoU of the pet, border left out",
    "boundary_iou_pet": "Boundary IoU of the pet",
    "pixel_accuracy": "pixels that are right",
    "calibration_error": "calibration error",
}


def main() -> None:
    arguments = parse_arguments()
    images = json.loads(existing(arguments.metrics / "evaluate.json").read_text())["images"]
    table = existing(arguments.metrics / "tables/scores.csv").read_text()
    console.print(score_table(csv.DictReader(table.splitlines()), images))
    console.print(f"pictures: {arguments.metrics}/plots/evaluate/")
    if arguments.next:
        console.print(NEXT_STEPS, highlight=False)


def existing(file: Path) -> Path:
    """The file, an output of the pipeline. Raises UserError if it is missing."""
    if not file.is_file():
        raise UserError(f"{file} is missing: run the pipeline first (dvc repro)")
    return file


def score_table(rows: Iterable[Mapping[str, str]], images: int) -> Table:
    """The test scores with their intervals, one row each."""
    columns = (Column(name, justify="right") for name in ("score", "95 % interval"))
    table = Table("", *columns, title=f"Test scores, {images} pictures at their own size")
    # A class that occurs nowhere has no score.
    known = {row["score"]: row for row in rows if all(row.values())}
    for name, words in SHOWN.items():
        cells = ("-", "")
        if name in known:
            row = {key: f"{float(known[name][key]):.4f}" for key in ("value", "low", "high")}
            cells = (row["value"], f"{row['low']} to {row['high']}")
        table.add_row(words, *cells)
    return table


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.scores", description=__doc__)
    parser.add_argument("--metrics", type=Path, default=METRICS, help="folder of the scores")
    parser.add_argument("--next", action="store_true", help="say what to do next")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
