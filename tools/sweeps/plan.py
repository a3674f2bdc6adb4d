"""What to try: a grid or a list of settings, as experiments named by everything they depend on."""

import difflib
import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.core.git import git_commit, source_patch
from pipeline.core.params import (
    PARAMS_FILE,
    ParamsError,
    flatten,
    load_yaml,
    read_params,
    read_section,
)
from pipeline.core.terminal import UserError

# The sections of a plan's file: how they are called here, and what is in them.
SECTIONS: dict[str, tuple[str, Any]] = {
    "set": ("shared", dict[str, Any]),
    "grid": ("grid", dict[str, list[Any]]),
    "list": ("entries", list[dict[str, Any]]),
}


@dataclass(frozen=True)
class Plan:
    """Settings by dotted name: of all experiments, those to combine, those to try one by one."""

    shared: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, list[Any]] = field(default_factory=dict)
    entries: list[Mapping[str, Any]] = field(default_factory=list)

    def combinations(self) -> Iterable[dict[str, Any]]:
        """Each entry of the list, or nothing, with each combination of the grid."""
        values = itertools.product(*self.grid.values())
        combined = [dict(zip(self.grid, chosen, strict=True)) for chosen in values]
        for entry, chosen in itertools.product(self.entries or [{}], combined):
            yield {**self.shared, **entry, **chosen}


@dataclass(frozen=True)
class Experiment:
    """One set of settings to run, and the name of its DVC experiment."""

    name: str
    settings: Mapping[str, Any]


def read_plan(file: Path) -> Plan:
    """Read a plan, a YAML file with `grid:` or `list:` and perhaps `set:`.

    Raises UserError, naming file and key, for a missing file, an unknown section, a wrong type.
    """
    try:
        sections = load_yaml(file.read_text())
    except (OSError, UnicodeDecodeError, ParamsError) as error:
        raise UserError(f"{file} cannot be read: {error}") from None
    known = isinstance(sections, dict) and sections.keys() <= SECTIONS.keys()
    if not known or not sections.keys() & {"grid", "list"}:
        raise UserError(f"{file}: expected the sections grid or list, and perhaps set")
    read = {SECTIONS[name][0]: read_section(name, SECTIONS[name][1], file) for name in sections}
    return Plan(**read)


def plan_experiments(plan: Plan, name: str, params: Path = PARAMS_FILE) -> list[Experiment]:
    """The experiments of a plan, each once, in its order.

    Each is called `name` and a digest of what decides it: commit, changed source, all params. The
    same sweep started again so finds what it has finished, and a changed one does not.
    Raises UserError for a plan without experiments, or a setting that is not in params.yaml.
    """
    workspace = params.resolve().parent
    base = read_params(params)
    origin = [git_commit(workspace), str(source_patch(workspace))]
    found: dict[str, Experiment] = {}
    for settings in plan.combinations():
        resolved = {**flatten(base), **_known(settings, flatten(base), params)}
        text = json.dumps([origin, resolved], sort_keys=True, default=str)
        label = f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:7]}"
        found.setdefault(label, Experiment(label, settings))
    if not found:
        raise UserError("nothing to try: a key of the grid has no values")
    return list(found.values())


def _known(settings: Mapping[str, Any], params: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
    for key in settings.keys() - params.keys():
        near = difflib.get_close_matches(key, params, n=3, cutoff=0.4)
        raise UserError(f"{key} is not in {file}; near it: {', '.join(near) or 'nothing'}")
    return settings
