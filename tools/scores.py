"""Print the scores that the last evaluation left in metrics/."""

import argparse
import json
from pathlib import Path

from rich.table import Table

from pipeline.terminal import UserError, console, run_command

NEXT_STEPS = """
What next:
  source .venv/bin/activate            dvc, mlflow and python of this project
  make ui                              compare runs in the browser
  make visualize                       look at the data
  dvc exp run -S train.lr=0.001        try another setting, then: dvc exp show
  make oxford                          the same on the real photographs
"""


def main() -> None:
    arguments = parse_arguments()
    scores = read(arguments.metrics / "evaluate.json")
    console.print(score_table(scores))
    console.print(f"examples: {arguments.metrics}/plots/evaluate/examples.png")
    if arguments.next:
        console.print(NEXT_STEPS, highlight=False)


def read(file: Path) -> dict[str, object]:
    """The scores. Raises UserError if there are none yet."""
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        raise UserError(f"{file} is missing: run the pipeline first (dvc repro)") from None


def score_table(scores: dict) -> Table:
    """The test scores as a table, one row a class."""
    table = Table(title=f"Test scores, {scores['images']} pictures at their own size")
    table.add_column("")
    for column in ("IoU", "Dice"):
        table.add_column(column, justify="right")
    for name, iou in scores["iou"].items():
        table.add_row(name, _format(iou), _format(scores["dice"][name]))
    table.add_section()
    table.add_row("mean over classes (mIoU)", _format(scores["miou"]), "")
    table.add_row("mean over images", _format(scores["per_image_miou"]), "")
    table.add_row("pet with border", _format(scores["pet_with_border_iou"]), "")
    table.add_row("pixel accuracy", _format(scores["pixel_accuracy"]), "")
    return table


def _format(score: float | None) -> str:
    return "-" if score is None else f"{score:.4f}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.scores", description=__doc__)
    parser.add_argument(
        "--metrics", type=Path, default=Path("metrics"), help="folder of the scores"
    )
    parser.add_argument("--next", action="store_true", help="say what to do next")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
