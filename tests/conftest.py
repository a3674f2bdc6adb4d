"""Fixtures that all tests share, and the order in which tests start."""

import os
from collections.abc import Iterator

import pytest
from file_server import FileServer, serving

import stages  # noqa: F401 - before torch: it says how threads wait

if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a core, and whatever it starts, too
    os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["tiny_pets", "clone"]

# Parts of test ids, the longest test first. Those that need the finished clone alternate with
# others, so that nobody waits while it is made.
FIRST = (
    "Change a setting",
    "test_teams",
    "test_broken_stages",
    "real photographs",
    "test_sweep",
    "test_pipeline",
    "test_readme",
    "test_doctor",
    "test_tracking_server",
    "test_at_once",
    "test_serving",
    "test_app_in_browser",
    "test_network",
)


@pytest.hookimpl(tryfirst=True)  # before xdist, which reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first; the tests of a file, which share fixtures, in one process."""
    items.sort(key=rank)
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def rank(item: pytest.Item) -> int:
    return next((place for place, part in enumerate(FIRST) if part in item.nodeid), len(FIRST))


@pytest.fixture
def server() -> Iterator[FileServer]:
    """A web server on this machine; see file_server.py for what it can be told to do."""
    with serving() as running:
        yield running
