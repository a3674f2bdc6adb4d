"""Fixtures that all tests share."""

from collections.abc import Iterator

import pytest
from file_server import FileServer, serving

import stages  # noqa: F401 - before torch: it says how threads wait

pytest_plugins = ["tiny_pets"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The README's commands first: they are one long test, beside which all others have room."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")


@pytest.fixture
def server() -> Iterator[FileServer]:
    """A web server on this machine; see file_server.py for what it can be told to do."""
    with serving() as running:
        yield running
