"""Print the scores that the last evaluation left in metrics/."""

import argparse
from pathlib import Path

from rich.table import Column, Table

from pipeline.core.files import read_csv, read_json
from pipeline.core.git import GitError, run_git
from pipeline.core.layout import EVALUATE_METRICS, LOCK, METRICS, PLOTS, TABLES
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
BASELINE = """
{changed} differ from the commit: by other params, or because this processor rounds differently.
To compare experiments with what is here now (dvc metrics diff, dvc plots diff), commit it:
  git commit --message "Baseline of this machine" dvc.lock metrics"""
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
    parser = argparse.ArgumentParser(prog="python -m tools.scores", description=__doc__)
    parser.add_argument("--next", action="store_true", help="say what to do next")
    show_next = parser.parse_args().next
    images = read_json(existing(EVALUATE_METRICS))["images"]
    # A class that occurs nowhere has no score.
    scores = read_csv(existing(TABLES / "scores.csv")).dropna().set_index("score")
    columns = (Column(name, justify="right") for name in ("score", "95 % interval"))
    table = Table("", *columns, title=f"Test scores, {images} pictures at their own size")
    for name, words in SHOWN.items():
        if name in scores.index:
            value, low, high = scores.loc[name]
            table.add_row(words, f"{value:.4f}", f"{low:.4f} to {high:.4f}")
        else:
            table.add_row(words, "-")
    console.print(table)
    console.print(f"pictures: {PLOTS}/evaluate/")
    if show_next:
        if changed := not_committed():
            console.print(BASELINE.format(changed=", ".join(changed)), highlight=False)
        console.print(NEXT_STEPS, highlight=False)


def not_committed() -> list[str]:
    """What differs from HEAD of dvc.lock and the metrics; nothing where git knows no commit."""
    try:
        command = ("diff", "--name-only", "--relative", "HEAD", "--", str(LOCK), str(METRICS))
        return run_git(Path(), *command).decode().splitlines()
    except (GitError, OSError):
        return []


def existing(file: Path) -> Path:
    """The file, an output of the pipeline. Raises UserError if it is missing."""
    if not file.is_file():
        raise UserError(f"{file} is missing: run the pipeline first (dvc repro)")
    return file


if __name__ == "__main__":
    run_command(main)
