"""A copy of the repository as a user has it after `git clone`, with a pipeline of a minute."""

import pytest
from clone import Clone, make_clone


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    return make_clone(tmp_path_factory.mktemp("clone") / "petseg")
