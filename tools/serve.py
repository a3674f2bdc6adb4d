"""Serve a model over HTTP (docs/serving.md)."""

import argparse
import json
import os
import re
import sys
from pathlib import Path

from pipeline.core.layout import PRECISIONS
from pipeline.core.terminal import UserError, between, run_command, say

HOST = "127.0.0.1"  # the server knows no passwords
CONNECTIONS = 32  # each may hold a body that waits for its turn
LAST_ANSWERS = 8  # seconds, for requests in hand at SIGTERM; Docker kills after ten
# For the C library: one heap for all threads, and what a large image took goes back at once.
MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "16000000",  # bytes: less than the blocks of Pillow's images
    "MALLOC_TRIM_THRESHOLD_": "64000000",
}
SETTINGS = "PETSEG_SERVING"  # the variable that tells the server's processes the arguments
ORIGIN = "PETSEG_CORS_ORIGIN"
PATH = "PYTHONPATH"
SHARE = between(0, 1, float)


def main() -> None:
    arguments, options = parse_arguments()
    from pipeline.records.models import alias_in, find_model

    if arguments.cors_origin and not re.fullmatch(r"https?://[^/\s*]+", arguments.cors_origin):
        raise UserError(f"--cors-origin: expected https://HOST[:PORT], not {arguments.cors_origin}")
    log, keep = log_options(arguments)
    model = find_model(arguments.model, arguments.precision)
    if arguments.shadow and not alias_in(arguments.shadow):  # an alias may be given later
        find_model(arguments.shadow, arguments.precision)
    say(f"{model.source} on http://{HOST}:{arguments.port}")
    if keep:
        say(f"pictures are kept in {log}: they are their senders' data")
    root = str(Path(__file__).resolve().parents[1])
    command = [sys.executable, "-m", "tools.connections", "--factory"]
    command += ["tools.serving.app:served_app", "--app-dir", root]
    command += ["--host", HOST, "--port", str(arguments.port)]
    command += ["--limit-concurrency", str(CONNECTIONS + 1)]  # uvicorn counts the new one
    command += ["--timeout-graceful-shutdown", str(LAST_ANSWERS), *options]
    told = json.dumps(vars(arguments), default=str)  # the folder of the log is a path
    # Not from the current folder, which may have a package `tools` of its own.
    path = os.pathsep.join(filter(None, (root, os.environ.get(PATH))))
    environment = os.environ | {SETTINGS: told, PATH: path, "PYTHONSAFEPATH": "1", **MEMORY}
    # In place of this process: whatever ends the command ends the server.
    os.execve(sys.executable, command, environment)  # noqa: S606 (no shell wanted)


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    """The arguments, and those meant for uvicorn."""
    others = "Other options, such as --workers 4, are passed to uvicorn, the server."
    parser = argparse.ArgumentParser("python -m tools.serve", description=__doc__, epilog=others)
    add_model_options(parser)
    parser.add_argument("--port", type=between(1, 65535), default=5001, help="(5001)")
    origin = f"web pages of this origin, such as https://example.org, may ask the server ({ORIGIN})"
    parser.add_argument("--cors-origin", default=os.environ.get(ORIGIN, ""), help=origin)
    add_log_options(parser)
    shadow = "another model, such as @challenger, that labels the same pictures to be compared"
    parser.add_argument("--shadow", default="", metavar="MODEL", help=shadow)
    some = "share of the pictures that the shadow labels (1)"
    parser.add_argument("--shadow-share", type=SHARE, default=1.0, metavar="FRACTION", help=some)
    return parser.parse_known_args()


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which model: what `find_model` takes."""
    model = "path of an .onnx file, or a registered version: 3, @champion, models:/NAME/3"
    parser.add_argument("--model", help=f"{model} (the champion, else models/model.onnx)")
    kinds = "of the model; auto: INT8 if its export found it as good (auto)"
    parser.add_argument("--precision", choices=("auto", *PRECISIONS), default="auto", help=kinds)


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the prediction log, which `log_options` reads."""
    log = "write one row of numbers about each picture into this folder (no log)"
    parser.add_argument("--log", type=Path, metavar="FOLDER", help=log)
    keep = "also keep this share of the pictures there, the least confident ones: people's data (0)"
    parser.add_argument("--keep", type=SHARE, default=0.0, metavar="FRACTION", help=keep)


def log_options(arguments: argparse.Namespace) -> tuple[Path | None, float]:
    """The folder of the log and the share of the pictures to keep. Raises UserError."""
    if arguments.keep and not arguments.log:
        raise UserError("--keep: pictures are kept beside a log; name its folder with --log")
    return arguments.log, arguments.keep


if __name__ == "__main__":
    run_command(main)
