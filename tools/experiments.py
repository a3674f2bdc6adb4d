"""DVC experiments: their settings as options, and a name for their commits."""

import json
import subprocess
from collections.abc import Mapping

from pipeline.params import load_yaml
from pipeline.terminal import UserError


def split_setting(setting: str, option: str = "--set") -> tuple[str, object]:
    """`train.epochs=5` as key and value. Raises UserError without an equals sign."""
    key, equals, value = setting.partition("=")
    if not equals:
        raise UserError(f"{option} {setting}: expected NAME=VALUE, e.g. train.epochs=5")
    return key, load_yaml(value)


def param_options(settings: Mapping[str, object]) -> list[str]:
    """The options of `dvc exp run` that make these settings, by dotted name."""
    return [
        part
        for key, value in settings.items()
        for part in ("--set-param", f"{key}={json.dumps(value)}")
    ]


def git_identity() -> dict[str, str]:
    """A name for DVC's experiment commits, on a machine where git was told none."""
    known = subprocess.run(["git", "config", "user.email"], capture_output=True, check=False)
    if known.returncode == 0:
        return {}
    name, email = "petseg", "petseg@localhost"
    roles = ("AUTHOR", "COMMITTER")
    return {f"GIT_{role}_NAME": name for role in roles} | {
        f"GIT_{role}_EMAIL": email for role in roles
    }
