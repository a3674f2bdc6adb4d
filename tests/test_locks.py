"""The pinned packages: of everyone, of GPUs' machines, of each extra, and of the images."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tiny_pets import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"] | PROJECT["dependency-groups"]
del EXTRAS["dev"]  # is in everyone's


def pins(name):
    """The version of each package; each has digests."""
    text = (REPOSITORY / name).read_text()
    blocks = re.findall(r"^(\S+)==(\S+).*\n +--hash=sha256:[0-9a-f]{64}", text, re.M)
    assert len(blocks) == len(re.findall(r"^\w", text, re.M))
    return {canonicalize_name(package): version for package, version in blocks}


def test_each_package_is_pinned_with_digests_and_to_one_version():
    files = [pins(file.name).items() for file in REPOSITORY.glob("requirements*.lock")]
    assert len(files) == len(EXTRAS) + 2
    together = set().union(*files)
    assert len(together) == len(dict(together)) > 200


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_an_extra_needs_is_pinned_within_its_range(extra):
    pinned = pins(f"requirements-{extra}.lock")
    for requirement in map(Requirement, EXTRAS[extra]):
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier
