"""Serve a model over HTTP (docs/serving.md)."""

import argparse
import os
import sys

from pipeline.core.layout import PRECISIONS
from pipeline.core.terminal import console, positive, run_command

HOST = "127.0.0.1"  # the server knows no passwords
CONNECTIONS = 32  # each may hold a body that waits for its turn
MODEL_FILE = "PETSEG_SERVED_MODEL"  # the environment variable that the server's processes read


def main() -> None:
    arguments, options = parse_arguments()
    from pipeline.records.models import find_model

    model = find_model(arguments.model, arguments.precision)
    console.print(f"{model.source} on http://{HOST}:{arguments.port}", highlight=False)
    place = ["--host", HOST, "--port", str(arguments.port), "--limit-concurrency", str(CONNECTIONS)]
    server = [sys.executable, "-m", "uvicorn", "--factory", "tools.serving:served_app"]
    # In place of this process: whatever ends the command ends the server.
    environment = os.environ | {MODEL_FILE: str(model.file)}
    os.execve(sys.executable, [*server, *place, *options], environment)  # noqa: S606 (no shell wanted)


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    """The arguments, and those meant for uvicorn."""
    others = "Other options, such as --workers 4, are passed to uvicorn, the server."
    parser = argparse.ArgumentParser("python -m tools.serve", description=__doc__, epilog=others)
    model = "path of an .onnx file, or a registered version: 3, @champion"
    parser.add_argument("--model", help=f"{model} (the champion, else models/model.onnx)")
    parser.add_argument("--precision", choices=("auto", *PRECISIONS), default="auto")
    parser.add_argument("--port", type=positive, default=5001, help="(5001)")
    return parser.parse_known_args()


if __name__ == "__main__":
    run_command(main)
