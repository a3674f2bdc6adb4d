"""Serve a registered version over HTTP, by the server that MLflow brings (docs/serving.md)."""

import argparse
import os
import sys
from pathlib import Path

from pipeline.arguments import positive
from pipeline.records.gate import CHAMPION
from pipeline.records.named import find_named
from pipeline.records.registry import MODEL_NAME, Version, list_versions
from pipeline.records.store import open_store, store_errors
from pipeline.terminal import console, run_command

HOST = "127.0.0.1"  # the server knows no passwords


def main() -> None:
    arguments, options = parse_arguments()
    store = open_store()
    with store_errors(store.uri):
        version = find_named(list_versions(store), arguments.model)
    console.print(f"version {version.number} on http://{HOST}:{arguments.port}", highlight=False)
    # MLflow starts uvicorn by its name, which is beside python even if nobody activated .venv.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = os.environ | {"MLFLOW_TRACKING_URI": store.uri, "PATH": path}
    # In the place of this process: what ends the command ends the server.
    command = [sys.executable, *server(version, arguments.port), *options]
    os.execve(sys.executable, command, environment)  # noqa: S606 - no shell is in between, on purpose


def server(version: Version, port: int) -> list[str]:
    """The arguments of python that serve the version, in the environment of this process."""
    place = ["--env-manager", "local", "--host", HOST, "--port", str(port)]
    model = f"models:/{MODEL_NAME}/{version.number}"
    return ["-m", "mlflow", "models", "serve", "--model-uri", model, *place]


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    """The arguments, and those that go on to MLflow."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.serve",
        description=__doc__,
        epilog="Other options, such as --workers 4, go to `mlflow models serve`.",
    )
    parser.add_argument(
        "--model", default=f"@{CHAMPION}", help=f"a version's number or alias (@{CHAMPION})"
    )
    parser.add_argument("--port", type=positive, default=5001, help="(5001)")
    return parser.parse_known_args()


if __name__ == "__main__":
    run_command(main)
