"""The settings of DVC experiments: as people type them, and as options of `dvc exp run`."""

import json
from collections.abc import Mapping

from pipeline.core.params import load_yaml
from pipeline.core.terminal import UserError


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
