"""The pinned packages of everyone, of teams, of clusters, of GPUs' machines, and of the images."""

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tiny_pets import REPOSITORY


def pins(name):
    """The version of each package; each has digests."""
    text = (REPOSITORY / name).read_text()
    blocks = re.findall(r"^(\S+)==(\S+).*\n +--hash=sha256:[0-9a-f]{64}", text, re.M)
    assert len(blocks) == len(re.findall(r"^\w", text, re.M))
    return {canonicalize_name(package): version for package, version in blocks}


OF_IMAGES = ("requirements-serve.lock", "requirements-tracking.lock")
OTHERS = {file.name for file in REPOSITORY.glob("requirements*.lock")} - {*OF_IMAGES}


def test_each_package_is_pinned_with_digests_in_one_file():
    files = [pins(name).keys() for name in OTHERS]
    assert len(files) == 4
    assert len(set().union(*files)) == sum(map(len, files)) > 200


def test_what_teams_need_is_pinned_within_its_range():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pinned = pins("requirements-teams.lock")
    for requirement in map(Requirement, project["optional-dependencies"]["teams"]):
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_images_have_the_same_versions():
    known = {package: version for name in OTHERS for package, version in pins(name).items()}
    for name in OF_IMAGES:
        assert pins(name).items() <= known.items()
