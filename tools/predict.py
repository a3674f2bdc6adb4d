"""Predict the masks of photographs: yours, or a whole folder of them."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from pipeline.core.terminal import UserError, positive, printable, progress, run_command
from pipeline.deploy.batch import cores, predict_all
from pipeline.deploy.predictor import Predictor
from pipeline.deploy.search import find_photographs
from pipeline.records.models import find_model

WHAT_IS_WRITTEN = """
For each photograph, four pictures in the folder of results: NAME.input.png, the photograph itself,
upright; NAME.mask.png, the class of each pixel (0 pet, 1 background, 2 border; it looks black);
NAME.palette.png, the same in colours; NAME.overlay.png, pet and border tinted on the photograph.
And a line of JSON on standard output: name, size, share and box of the pet, time, files. All else
that is said goes to standard error. Exit status 1 if a photograph could not be used.
"""


def main() -> int:
    arguments = parse_arguments()
    found = list(find_photographs(arguments.photographs))
    photographs = [each for each in found if isinstance(each, Path)]
    failed = [each for each in found if isinstance(each, UserError)]
    for error in failed:
        report(error)
    if not photographs:
        raise UserError("no photograph was found")
    make_folder(arguments.out)
    model = load_model(arguments.model, arguments.precision)
    try:
        failures = len(failed) + predict(model, photographs, arguments.out, arguments.threads)
    except BrokenPipeError:  # who reads the lines, such as `head`, wants no more of them
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    done = len(photographs) + len(failed) - failures
    report(f"{done:,} of {done + failures:,} predicted into {arguments.out}")
    return 1 if failures else 0


def load_model(reference: str | None, precision: str) -> Predictor:
    """The model meant, tried once. Raises UserError if it is not of this project's kind."""
    found = find_model(reference, precision)
    # One thread for each photograph: several photographs at a time use the cores better.
    predictor = Predictor(found.file, threads=1).tried()
    report(f"model: {found.source}")
    return predictor


def predict(model: Predictor, photographs: Sequence[Path], out: Path, threads: int) -> int:
    """Print a line of JSON for each photograph, and what goes wrong; return how many failed."""
    failures = 0
    with progress_on_stderr() as bars:
        task = bars.add_task("predicting", total=len(photographs))
        for outcome in predict_all(model, photographs, out, threads):
            if isinstance(outcome, UserError):
                report(outcome)
                failures += 1
            else:
                print(json.dumps(asdict(outcome)), flush=True)
            bars.advance(task)
    return failures


def progress_on_stderr() -> Progress:
    """The usual display, apart from the lines of JSON; above it, if both are on one terminal."""
    columns = progress().columns
    together = sys.stdout.isatty()
    return Progress(*columns, console=Console(stderr=True), redirect_stdout=together)


def report(message: object) -> None:
    prefix = "error: " if isinstance(message, UserError) else ""
    print(f"{prefix}{printable(message)}", file=sys.stderr)


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {folder}: {error.strerror}") from None


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.predict", description=__doc__, epilog=WHAT_IS_WRITTEN
    )
    parser.add_argument(
        "photographs", nargs="+", metavar="PATH", help="a file, a folder, or a pattern in quotes"
    )
    parser.add_argument(
        "--model",
        help="path of an .onnx file, or a registered version: 3, @champion, "
        "models:/pet-segmentation/3 (the champion, else models/model.onnx)",
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "int8"),
        default="auto",
        help="of the model; auto: INT8 where its export found it as good (auto)",
    )
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder (results)")
    parser.add_argument("--threads", type=positive, default=cores(), help="(one for each core)")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
