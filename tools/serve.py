"""Serve a model over HTTP (docs/serving.md)."""

import argparse
import os
import re
import sys

from pipeline.core.layout import PRECISIONS
from pipeline.core.terminal import UserError, console, positive, run_command

HOST = "127.0.0.1"  # the server knows no passwords
CONNECTIONS = 32  # each may hold a body that waits for its turn
LAST_ANSWERS = 8  # seconds, for requests in hand at SIGTERM; Docker kills after ten
# For the C library: one heap for all threads, and what a large image took goes back at once.
MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "16000000",  # bytes: less than the blocks of Pillow's images
    "MALLOC_TRIM_THRESHOLD_": "64000000",
}
# The environment variables that the server's processes read.
MODEL_FILE = "PETSEG_SERVED_MODEL"
MODEL_SOURCE = "PETSEG_SERVED_SOURCE"
ORIGIN = "PETSEG_CORS_ORIGIN"


def main() -> None:
    arguments, options = parse_arguments()
    from pipeline.records.models import find_model

    if arguments.cors_origin and not re.fullmatch(r"https?://[^/\s*]+", arguments.cors_origin):
        raise UserError(f"--cors-origin: expected https://HOST[:PORT], not {arguments.cors_origin}")
    model = find_model(arguments.model, arguments.precision)
    console.print(f"{model.source} on http://{HOST}:{arguments.port}", highlight=False)
    server = [sys.executable, "-m", "tools.connections", "--factory", "tools.serving:served_app"]
    place = ["--host", HOST, "--port", str(arguments.port)]
    bounds = ["--limit-concurrency", str(CONNECTIONS)]
    bounds += ["--timeout-graceful-shutdown", str(LAST_ANSWERS)]
    environment = os.environ | {
        MODEL_FILE: str(model.file),
        MODEL_SOURCE: model.source,
        ORIGIN: arguments.cors_origin,
        **MEMORY,
    }
    command = [*server, *place, *bounds, *options]
    # In place of this process: whatever ends the command ends the server.
    os.execve(sys.executable, command, environment)  # noqa: S606 (no shell wanted)


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    """The arguments, and those meant for uvicorn."""
    others = "Other options, such as --workers 4, are passed to uvicorn, the server."
    parser = argparse.ArgumentParser("python -m tools.serve", description=__doc__, epilog=others)
    model = "path of an .onnx file, or a registered version: 3, @champion"
    parser.add_argument("--model", help=f"{model} (the champion, else models/model.onnx)")
    parser.add_argument("--precision", choices=("auto", *PRECISIONS), default="auto")
    parser.add_argument("--port", type=positive, default=5001, help="(5001)")
    origin = f"web pages of this origin, such as https://example.org, may ask the server ({ORIGIN})"
    parser.add_argument("--cors-origin", default=os.environ.get(ORIGIN, ""), help=origin)
    return parser.parse_known_args()


if __name__ == "__main__":
    run_command(main)
