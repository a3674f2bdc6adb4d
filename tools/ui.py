"""Compare runs in the browser: MLflow on this machine, with the best runs first."""

import argparse
import os
import sys

from pipeline.core.terminal import run_command, say


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.ui", description=__doc__)
    parser.add_argument("--port", type=int, default=5000, help="where on 127.0.0.1 (5000)")
    port = parser.parse_args().port
    from pipeline.records.store import open_store

    store = open_store()
    server = store.uri.startswith("http")
    address = store.name.rstrip("/") if server else f"http://127.0.0.1:{port}"
    say(f"The runs, the best first: {address}/{store.page}")
    if not server:
        # One process: its helpers, for evaluations of language models, take gigabytes.
        os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
        os.environ["MLFLOW_BACKEND_STORE_URI"] = store.uri  # not in the arguments: a password
        command = [sys.executable, "-m", "mlflow", "ui", "--workers=1"]
        command += ["--host=127.0.0.1", f"--port={port}"]
        os.execv(sys.executable, command)  # noqa: S606 - no shell is needed


if __name__ == "__main__":
    run_command(main)
