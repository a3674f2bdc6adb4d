"""A tracking server with a database and artifacts of its own: a store that is elsewhere."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests


@dataclass
class Server:
    uri: str
    process: subprocess.Popen

    def signal(self, number: signal.Signals) -> None:
        """To the server and the workers it started."""
        os.killpg(self.process.pid, number)


@contextmanager
def mlflow_server(folder: Path, port: int | None = None) -> Iterator[Server]:
    port = port or free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},  # eight processes less
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        wait_for(f"{server.uri}/health")
        yield server
    finally:
        with suppress(ProcessLookupError):  # a test may have killed it
            server.signal(signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if requests.get(url, timeout=1).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    pytest.fail(f"{url} does not answer")
