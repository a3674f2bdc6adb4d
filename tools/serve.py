"""Serve a model over HTTP (docs/serving.md)."""

import argparse
import os
import sys

from pipeline.core.terminal import console, positive, run_command
from pipeline.records.models import find_model
from tools.serving.app import MODEL_FILE

HOST = "127.0.0.1"  # the server knows no passwords
CONNECTIONS = 32  # each may hold a body that waits for its turn


def main() -> None:
    arguments, options = parse_arguments()
    model = find_model(arguments.model, arguments.precision)
    console.print(f"{model.source} on http://{HOST}:{arguments.port}", highlight=False)
    # In the place of this process: what ends the command ends the server.
    command = [sys.executable, *server(arguments.port), *options]
    environment = os.environ | {MODEL_FILE: str(model.file)}
    os.execve(sys.executable, command, environment)  # noqa: S606 - no shell is in between, on purpose


def server(port: int) -> list[str]:
    """The arguments of python that serve the model, in the environment of this process."""
    place = ["--host", HOST, "--port", str(port), "--limit-concurrency", str(CONNECTIONS)]
    return ["-m", "uvicorn", "--factory", "tools.serving.app:served_app", *place]


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    """The arguments, and those that go on to uvicorn."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.serve",
        description=__doc__,
        epilog="Other options, such as --workers 4, go to uvicorn, the server.",
    )
    parser.add_argument(
        "--model",
        help="path of an .onnx file, or a registered version: 3, @champion "
        "(the champion, else models/model.onnx)",
    )
    parser.add_argument("--precision", choices=("auto", "fp32", "int8"), default="auto")
    parser.add_argument("--port", type=positive, default=5001, help="(5001)")
    return parser.parse_known_args()


if __name__ == "__main__":
    run_command(main)
