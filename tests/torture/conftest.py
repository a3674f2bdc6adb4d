"""One workshop for all tests of a process: to build it takes as long as the pipeline."""

import pytest
from workshop import Workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))
