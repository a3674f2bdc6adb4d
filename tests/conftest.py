"""Fixtures that all tests share, and the order in which tests start."""

import os
import sys
from collections.abc import Iterator
from queue import Queue

import pytest
from file_server import FileServer, serving
from xdist.scheduler import LoadScopeScheduling

from pipeline.core.terminal import console

if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a core, and whatever it starts, too
    os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["mlflow_workspace", "tiny_pets", "clone"]

# Parts of test ids, the longest test first. Those that need the finished clone alternate with
# others, so that nobody waits while it is made.
FIRST = (
    "real photographs",
    "test_broken_stages",
    "end_to_end/test_sweep",
    "test_verify_command",
    "test_readme",
    "test_tracking_server",
    "test_at_once",
    "test_serving",
    "test_app",
)


class Scheduling(LoadScopeScheduling):
    """The tests of a file, which share fixtures, in one process; the README's headings in any.

    Not xdist's own groups: pytest 9.2 does not let it write them into the tests' ids.
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if "test_every_command_runs" in nodeid else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=rank)  # the longest first


def rank(item: pytest.Item) -> int:
    return next((place for place, part in enumerate(FIRST) if part in item.nodeid), len(FIRST))


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Queue[str]:
    """What any thread prints, to be waited for: capsys loses what is printed while it is read."""
    texts: Queue[str] = Queue()
    monkeypatch.setattr(console, "print", lambda *shown, **_: texts.put(str(shown)))
    return texts


@pytest.fixture(autouse=True)
def own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit's AppTest makes its script `__main__`, which spawned processes would then run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def server() -> Iterator[FileServer]:
    """A web server on this machine; see file_server.py for what it can be told to do."""
    with serving() as running:
        yield running
