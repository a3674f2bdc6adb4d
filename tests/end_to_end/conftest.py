"""A copy of the repository as a user has it after `git clone`, with a pipeline of a minute."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from clone import Clone
from tiny_pets import REPOSITORY


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Clone:
    """The files that git tracks or would track, committed anew, with tiny params."""
    root = tmp_path_factory.mktemp("clone") / "petseg"
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    for name in filter(None, names.stdout.split("\0")):
        if (REPOSITORY / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, root / name)
    borrow(Path(sys.prefix), root / ".venv")
    shrink(root / "params.yaml")
    made = Clone(root)
    made.run("git init --quiet && git add --all && git commit --quiet --message clone")
    return made


def borrow(source: Path, target: Path) -> None:
    """Make `target` the virtual environment that the tests run in, for `make` an installed one."""
    target.mkdir()
    for entry in source.iterdir():
        if entry.name != "installed":
            (target / entry.name).symlink_to(entry)
    (target / "installed").touch()


def shrink(params: Path) -> None:
    """Few and small pictures, a small network, a short training."""
    values = yaml.safe_load(params.read_text())
    values["download"]["datasets"]["sample"] |= {"images_per_breed": 4, "width": 96, "height": 72}
    values["model"]["features"] = [4, 8]
    values["train"] |= {"epochs": 1, "batch_size": 16, "image_size": 32, "threads": 1}
    values["evaluate"] |= {"threads": 1}
    values["export"] |= {"threads": 1}
    params.write_text(yaml.safe_dump(values, sort_keys=False))
