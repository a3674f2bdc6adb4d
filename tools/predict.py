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
from typing import TYPE_CHECKING, Any, BinaryIO

from rich.console import Console

from pipeline.core.terminal import UserError, printable, progress, run_command, say
from tools.serve import add_log_options, add_model_options, log_options

if TYPE_CHECKING:
    from pipeline.deploy.folder import Note
    from pipeline.deploy.predictor import Answer, Array, Predictor

Report = Mapping[str, Any]
Show = Callable[[Report], str]


def main() -> int:
    arguments = parse_arguments()
    if arguments.engine or any("://" in each for each in (*arguments.photographs, arguments.out)):
        return predict_store(arguments)
    return predict_files(arguments)


def predict_files(arguments: argparse.Namespace) -> int:
    from pipeline.core.layout import cores
    from pipeline.deploy.folder import find_images, folder_jobs, predict_all

    images, errors, out = list[str](), 0, Path(arguments.out)
    for found in find_images(arguments.photographs):
        if isinstance(found, UserError):
            errors += 1
            report(found)
        else:
            images.append(str(found))  # a path takes five times the memory
    if not images:
        raise UserError("no photograph was found")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}") from None
    model = load_model(arguments)
    jobs = folder_jobs(model, map(Path, images), out)
    outcomes = predict_all(model, jobs, cores(), **predict_options(arguments, model))
    in_words = partial(sentence, subject=model.classes.subject)
    show = json.dumps if arguments.json or not sys.stdout.isatty() else in_words
    done, _ = print_reports(outcomes, len(images), show)
    total = len(images) + errors
    report(f"{done:,} of {total:,} predicted into {out}")
    return 0 if done == total else 1


def predict_store(arguments: argparse.Namespace) -> int:
    """Predict from or to an address: the reports go into a table there. Raises UserError."""
    from pipeline.core.layout import cores
    from pipeline.deploy.batch import THREADS, Done, images_to_do, predict_batch
    from pipeline.deploy.stores import Place

    if len(arguments.photographs) > 1:
        raise UserError("give one address at a time: name a folder, or run the command for each")
    images, out = Place(arguments.photographs[0]), Place(arguments.out)
    model = load_model(arguments)
    before = Done(out, model.identity)
    files = images_to_do(images, out, before)
    if arguments.engine:
        outcomes = on_cluster(arguments)(model, images, files, out, confidence=arguments.confidence)
    else:
        settings = predict_options(arguments, model)
        outcomes = predict_batch(model, images, files, out, cores() * THREADS, **settings)
    done, total = print_reports(outcomes, None, json.dumps if arguments.json else None)
    if not total + len(before):
        raise UserError(f"{arguments.photographs[0]}: no file in it has the suffix of a photograph")
    told = f"{done:,} of {total:,} predicted into {arguments.out}"
    report(f"{told}; {len(before):,} were done before")
    return 0 if done == total else 1


def on_cluster(arguments: argparse.Namespace) -> Callable[..., Iterator[Report | UserError]]:
    """What predicts on Ray's machines. Raises UserError."""
    if log_options(arguments)[0]:
        raise UserError("--log: not with --engine ray: each machine would write a log of its own")
    try:
        from pipeline.deploy.cluster import predict_on_cluster
    except ImportError as error:
        raise UserError(f"--engine ray: {error}: run `make install-ray`") from None
    return predict_on_cluster


def load_model(arguments: argparse.Namespace) -> "Predictor":
    """The model that they name, for several threads, tried. Raises UserError."""
    from pipeline.deploy.predictor import Predictor
    from pipeline.records.models import find_model, source_of

    chosen = find_model(arguments.model, arguments.precision)
    # One thread an image: several images at a time use the cores better.
    model = Predictor(chosen.file, threads=1, version=chosen.version).tried()
    report(f"model: {source_of(chosen, model.identity['dataset'])}")
    if arguments.confidence and not model.tells_confidence:
        told = "was exported without its confidence: export it again (dvc repro)"
        raise UserError(f"{chosen.source} {told}")
    return model


def predict_options(arguments: argparse.Namespace, model: "Predictor") -> dict[str, Any]:
    """What is to be done with each image, as `predict_all` takes it. Raises UserError."""
    folder, keep = log_options(arguments)
    note = log_into(folder, keep, model) if folder else None
    return {"confidence": arguments.confidence, "note": note}


def log_into(folder: Path, keep: float, model: "Predictor") -> "Note":
    """What adds each image to the prediction log in the folder. Raises UserError."""
    from pipeline.data.images import image_format
    from pipeline.monitoring.log import PredictionLog
    from pipeline.monitoring.observation import observe

    log = PredictionLog(folder, keep)

    def note(source: Path | BinaryIO, image: "Array", answer: "Answer") -> None:
        seen = observe(image, answer.mask, answer.confidence, model.classes)
        kind, seconds = image_format(source), answer.seconds
        log.write(model.identity, seen, format=kind, seconds=seconds, image=image)

    return note


def print_reports(
    outcomes: Iterator[Report | UserError], expected: int | None, show: Show | None
) -> tuple[int, int]:
    """Print errors to standard error, and what `show` makes of the others; return both counts.

    The first is of the images that succeeded, the second of all. expected: the second, if known.
    A reader of the lines that wants no more of them, such as `head`, ends the process.
    """
    done = total = 0
    # The lines go above the bar, if both are on one terminal.
    with progress(Console(stderr=True), redirect_stdout=False) as bars:
        put: Callable[[str], None] = partial(print, flush=True)
        if sys.stdout.isatty() and bars.console.is_terminal:
            put = partial(say, where=bars.console)
        task = bars.add_task("predicting", total=expected)
        for total, outcome in enumerate(outcomes, 1):  # noqa: B007 - the last is returned
            if isinstance(outcome, UserError):
                report(outcome)
            else:
                done += 1
                print_report(outcome, show, put)
            bars.advance(task)
    return done, total


def print_report(outcome: Report, show: Show | None, put: Callable[[str], None]) -> None:
    if show:
        try:
            put(show(outcome))
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
    if outcome["warning"]:
        report(f"warning: {outcome['name']}: {outcome['warning']}")


def sentence(outcome: Report, subject: str) -> str:
    """What one image shows, in a line: the share of the subject, else the three largest classes."""
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
    given = "a file, a folder, a pattern in quotes, or an address such as s3://bucket/folder"
    parser = argparse.ArgumentParser(prog="python -m tools.predict", description=__doc__)
    parser.add_argument("photographs", nargs="+", metavar="PATH", help=given)
    add_model_options(parser)
    parser.add_argument("--out", default="results", help="folder, or its address (results)")
    sure = "write heat maps of the model's confidence, too: light where it is sure"
    parser.add_argument("--confidence", action="store_true", help=sure)
    cluster = "predict what an address names on the Ray cluster at RAY_ADDRESS (docs/models.md)"
    parser.add_argument("--engine", choices=["ray"], help=cluster)
    add_log_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON on a terminal, too")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
