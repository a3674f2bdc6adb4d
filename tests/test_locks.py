"""The pinned packages of everyone, of the extras, and of machines with an NVIDIA GPU."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tiny_pets import REPOSITORY


def pins(name):
    """The version of each package; each has digests."""
    text = (REPOSITORY / name).read_text()
    blocks = re.findall(r"^(\S+)==(\S+).*\n +--hash=sha256:[0-9a-f]{64}", text, re.M)
    assert len(blocks) == len(re.findall(r"^\w", text, re.M))
    return {canonicalize_name(package): version for package, version in blocks}


def test_each_package_is_pinned_with_digests_in_one_file():
    files = [pins(file.name).keys() for file in REPOSITORY.glob("requirements*.lock")]
    assert len(files) == 4
    assert len(set().union(*files)) == sum(map(len, files)) > 200


@pytest.mark.parametrize("extra", ["teams", "ray"])
def test_what_an_extra_needs_is_pinned_within_its_range(extra):
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pinned = pins(f"requirements-{extra}.lock")
    for requirement in map(Requirement, project["optional-dependencies"][extra]):
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier
