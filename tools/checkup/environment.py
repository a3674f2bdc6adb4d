"""The installed packages against requirements.lock; Python; git's idea of who commits."""

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

from pipeline.core.git import git_identity
from tools.checkup.finding import Finding

OLDEST_PYTHON = (3, 11, 4)
NAMED = 5  # packages at most; the others are counted


def check_environment(lock: Path = Path("requirements.lock")) -> Iterator[Finding]:
    present = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        yield Finding("bad", f"Python {present} is older than {oldest}", "make PYTHON=python3.12")
    else:
        yield Finding("good", f"Python {present}")
    yield _packages(lock)
    if git_identity():
        yield Finding(
            "note",
            "git knows no name to commit with: `dvc exp run --temp` and --queue will fail",
            "git config user.name NAME; git config user.email ADDRESS",
        )


def deviations(lock: Path) -> dict[str, str]:
    """The packages that are not as the file pins them, with what is installed."""
    found = {}
    for line in lock.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if not text or text.startswith("-"):
            continue
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            installed = "none"
        if installed == "none" or not requirement.specifier.contains(installed, prereleases=True):
            found[f"{requirement.name}{requirement.specifier}"] = installed
    return found


def _packages(lock: Path) -> Finding:
    remedy = f"python -m pip install --requirement {lock}"
    if not lock.is_file():
        return Finding("bad", f"{lock} is missing", f"git restore {lock}")
    if not (others := deviations(lock)):
        return Finding("good", f"all packages are those of {lock}")
    named = [f"{pin}: {installed} installed" for pin, installed in others.items()][:NAMED]
    more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    return Finding("bad", f"{lock} is not what is installed: {', '.join(named)}{more}", remedy)
