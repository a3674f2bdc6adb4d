"""Python in a process of its own, and what processes do until they end."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import psutil
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def run_python(
    *arguments: object, cwd: Path = REPOSITORY, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with the caller's environment and these variables."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def call(module: ModuleType, *words: object) -> int | None:
    """Run a command's main in this process, with these words on its command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [module.__name__, *map(str, words)])
        return module.main()


@contextmanager
def running(
    *arguments: object, cwd: Path = REPOSITORY, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """As `run_python`, to be watched: what still runs of it when the block ends is killed."""
    with subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                kill_all(process.pid)  # torchrun's processes have other groups


def wait_until(condition: Callable[[], object], seconds: float = 600) -> None:
    """Wait for what another process does; fail if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def kill_all(pid: int) -> None:
    """End a process and all it has started at once, as a lost machine does."""
    for each in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        each.kill()
