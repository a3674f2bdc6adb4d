"""Print the scores that the last evaluation left in metrics/."""

import argparse
import json
from io import StringIO
from pathlib import Path

import pandas as pd
from rich.table import Table

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
# What the scores shown are called.
SHOWN = {
    "miou": "mIoU of the three classes",
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
    images = json.loads(read(arguments.metrics / "evaluate.json"))["images"]
    table = read(arguments.metrics / "tables/scores.csv")
    scores = pd.read_csv(StringIO(table), index_col="score")
    console.print(score_table(scores, images))
    console.print(f"pictures: {arguments.metrics}/plots/evaluate/")
    if arguments.next:
        console.print(NEXT_STEPS, highlight=False)


def read(file: Path) -> str:
    """The file's text. Raises UserError if there are no scores yet."""
    try:
        return file.read_text()
    except FileNotFoundError:
        raise UserError(f"{file} is missing: run the pipeline first (dvc repro)") from None


def score_table(scores: pd.DataFrame, images: int) -> Table:
    """The test scores with their intervals, one row each."""
    table = Table(title=f"Test scores, {images} pictures at their own size")
    table.add_column("")
    for column in ("score", "95 % interval"):
        table.add_column(column, justify="right")
    known = scores.dropna().to_dict("index")  # a class that is nowhere has no score
    for name, words in SHOWN.items():
        if score := known.get(name):
            interval = f"{score['low']:.4f} to {score['high']:.4f}"
            table.add_row(words, f"{score['value']:.4f}", interval)
        else:
            table.add_row(words, "-", "")
    return table


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.scores", description=__doc__)
    parser.add_argument(
        "--metrics", type=Path, default=Path("metrics"), help="folder of the scores"
    )
    parser.add_argument("--next", action="store_true", help="say what to do next")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
