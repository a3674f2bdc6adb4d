"""The pinned packages: requirements-teams.lock beside requirements.lock."""

import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tiny_pets import REPOSITORY


def pins(name):
    lines = (REPOSITORY / name).read_text().splitlines()
    pairs = [line.split("==") for line in lines if "==" in line]
    return {canonicalize_name(package): version for package, version in pairs}


def test_no_package_is_pinned_in_both():
    assert not pins("requirements.lock").keys() & pins("requirements-teams.lock").keys()


def test_what_teams_need_is_pinned_within_its_range():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pinned = pins("requirements-teams.lock")
    for requirement in map(Requirement, project["optional-dependencies"]["teams"]):
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier
