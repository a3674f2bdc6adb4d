"""Predict the masks of photographs: pictures, and a line of JSON for each (docs/models.md).

On a terminal, a sentence takes the place of the JSON.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress

from pipeline.core.layout import PRECISIONS
from pipeline.core.terminal import UserError, printable, progress, run_command
from tools.serve import add_log_options, log_options

if TYPE_CHECKING:
    from pipeline.deploy.folder import Answer, Note
    from pipeline.deploy.predictor import Array, Predictor

Report = Mapping[str, Any]


def main() -> int:
    arguments = parse_arguments()
    from pipeline.deploy.folder import find_images, predict_all
    from pipeline.deploy.predictor import Predictor, cores
    from pipeline.records.models import find_model

    found = list(find_images(arguments.photographs))
    images = [each for each in found if isinstance(each, Path)]
    for error in [each for each in found if isinstance(each, UserError)]:
        report(error)
    if not images:
        raise UserError("no photograph was found")
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {arguments.out}: {error.strerror}") from None
    chosen = find_model(arguments.model, arguments.precision)
    # One thread an image: several images at a time use the cores better.
    model = Predictor(chosen.file, threads=1, version=chosen.version).tried()
    report(f"model: {chosen.source}")
    if arguments.confidence and not model.tells_confidence:
        told = "was exported without its confidence: export it again (dvc repro)"
        raise UserError(f"{chosen.source} {told}")

    folder, keep = log_options(arguments)
    note = log_into(folder, keep, model) if folder else None
    in_words = partial(sentence, subject=model.classes.subject)
    show = json.dumps if arguments.json or not sys.stdout.isatty() else in_words
    wanted = {"confidence": arguments.confidence, "note": note}
    outcomes = predict_all(model, images, arguments.out, cores(), **wanted)
    try:
        done = print_reports(outcomes, len(images), show)
    except BrokenPipeError:  # the reader of the lines, such as `head`, wants no more of them
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    report(f"{done:,} of {len(found):,} predicted into {arguments.out}")
    return 0 if done == len(found) else 1


def log_into(folder: Path, keep: float, model: "Predictor") -> "Note":
    """What adds each image to the prediction log in the folder. Raises UserError."""
    from pipeline.data.images import image_format
    from pipeline.monitoring.log import PredictionLog
    from pipeline.monitoring.observation import observe

    log = PredictionLog(folder, keep)

    def note(path: Path, image: "Array", answer: "Answer") -> None:
        seen = observe(image, answer.mask, answer.confidence, model.classes)
        kind, seconds = image_format(path), answer.seconds
        log.write(model.identity, seen, format=kind, seconds=seconds, image=image)

    return note


def print_reports(
    outcomes: Iterator[Report | UserError], total: int, show: Callable[[Report], str]
) -> int:
    """Print a line for each image, errors to standard error; return how many succeeded."""
    done, columns, console = 0, progress().columns, Console(stderr=True)
    # The lines go above the bar, if both are on one terminal.
    with Progress(*columns, console=console, redirect_stdout=sys.stdout.isatty()) as bars:
        task = bars.add_task("predicting", total=total)
        for outcome in outcomes:
            if isinstance(outcome, UserError):
                report(outcome)
            else:
                print(show(outcome), flush=True)
                if outcome["warning"]:
                    report(f"warning: {outcome['name']}: {outcome['warning']}")
                done += 1
            bars.advance(task)
    return done


def sentence(outcome: Report, subject: str) -> str:
    """What people want to know of one image, in a line. `subject`: what the foreground is called.

    Without foreground classes it names the largest three.
    """
    shares: Mapping[str, float] = outcome["shares"]
    if outcome["foreground_box"]:
        found = f"{outcome['foreground_share']:.0%} of it is {subject}"
    elif outcome["foreground_share"] is not None:
        found = f"no {subject} found"
    else:
        largest = sorted(shares, key=lambda name: -shares[name])[:3]
        found = ", ".join(f"{shares[name]:.0%} {name}" for name in largest if shares[name] > 0.005)
    return printable(f"{outcome['name']}: {found}; see {outcome['files']['overlay']}")


def report(message: object) -> None:
    prefix = "error: " if isinstance(message, UserError) else ""
    print(f"{prefix}{printable(message)}", file=sys.stderr)


def parse_arguments() -> argparse.Namespace:
    model = (
        "path of an .onnx file, or a registered version: 3, @champion, "
        "models:/NAME/3 (the champion, else models/model.onnx)"
    )
    kinds, auto = ("auto", *PRECISIONS), "auto: INT8 if its export found it as good (auto)"
    given = "a file, a folder, or a pattern in quotes"
    parser = argparse.ArgumentParser(prog="python -m tools.predict", description=__doc__)
    parser.add_argument("photographs", nargs="+", metavar="PATH", help=given)
    parser.add_argument("--model", help=model)
    parser.add_argument("--precision", choices=kinds, default="auto", help=f"of the model; {auto}")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder (results)")
    sure = "write heat maps of the model's confidence, too: light where it is sure"
    parser.add_argument("--confidence", action="store_true", help=sure)
    add_log_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON on a terminal, too")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
