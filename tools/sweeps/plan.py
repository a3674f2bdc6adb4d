"""What to try: a grid, a list or a search, as experiments named by everything they depend on."""

import difflib
import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from pipeline.core.git import git_commit, source_patch
from pipeline.core.layout import PARAMS
from pipeline.core.params import flatten, load_yaml, read_params, read_section
from pipeline.core.terminal import UserError
from tools.sweeps.space import Search


class Plan(TypedDict, total=False):
    """The sections of a plan file: settings by dotted name."""

    set: dict[str, Any]  # for all experiments
    grid: dict[str, list[Any]]  # to combine with each other
    list: list[dict[str, Any]]  # to try entry by entry, each with the whole grid
    search: Search  # instead of grid and list


@dataclass(frozen=True)
class Experiment:
    """The name of a DVC experiment and the settings it runs with."""

    name: str
    settings: Mapping[str, Any]


def read_plan(file: Path) -> Plan:
    """Read a plan: a YAML file with `grid:`, `list:` or `search:`, and optionally `set:`.

    Raises UserError, naming file and key, for a missing file, an unknown section, a wrong type.
    """
    sections: Any = read_params(file)
    kinds = Plan.__annotations__
    if sections.keys() - {"set"} not in ({"grid"}, {"list"}, {"grid", "list"}, {"search"}):
        raise UserError(f"{file}: expected grid, list, both, or search, and perhaps set")
    return Plan(**{name: read_section(name, kinds[name], file) for name in sections})


def combinations(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield the settings of each entry of the list, or none, with each combination of the grid."""
    grid = plan.get("grid", {})
    for entry, *chosen in itertools.product(plan.get("list") or [{}], *grid.values()):
        yield plan.get("set", {}) | entry | dict(zip(grid, chosen, strict=True))


class Names:
    """Names for experiments: a word, and a digest of everything that decides the result.

    That is the commit, changed source, and all params. The same sweep, started again, thus finds
    the experiments it has finished.
    """

    def __init__(self, word: str) -> None:
        self.word = word
        self.params = flatten(read_params())
        self._origin = [git_commit(Path()), str(source_patch(Path()))]

    def check(self, keys: Iterable[str]) -> None:
        """Raise UserError for a key that is not in params.yaml."""
        for key in [each for each in keys if each not in self.params]:
            near = ", ".join(difflib.get_close_matches(key, self.params, n=3, cutoff=0.4))
            raise UserError(f"{key} is not in {PARAMS}; near it: {near or 'nothing'}")

    def name(self, settings: Mapping[str, Any], *more: object) -> str:
        """The name of what runs with these settings, by dotted name, and depends on `more`."""
        decisive = [self._origin, {**self.params, **settings}, *more]
        text = json.dumps(decisive, sort_keys=True, default=str)
        return f"{self.word}-{hashlib.sha256(text.encode()).hexdigest()[:7]}"


def plan_experiments(plan: Plan, word: str) -> list[Experiment]:
    """List the distinct experiments of a plan, in the plan's order; `word` begins their names.

    Raises UserError for a plan without experiments, or a setting that is not in params.yaml.
    """
    names = Names(word)
    found: dict[str, Experiment] = {}
    for settings in combinations(plan):
        names.check(settings)
        name = names.name(settings)
        found.setdefault(name, Experiment(name, settings))
    if not found:
        raise UserError("nothing to try: a key of the grid has no values")
    return list(found.values())


def setting(text: str) -> tuple[str, Any]:
    """`train.epochs=5` as key and value. Raises UserError without an equals sign."""
    key, value = split_setting(text)
    return key, load_yaml(value)


def split_setting(text: str) -> tuple[str, str]:
    """As `setting`, with the value as it is written: 010 may be a folder."""
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"{text}: expected NAME=VALUE, e.g. train.epochs=5")
    return key, value


def param_options(settings: Mapping[str, Any]) -> list[str]:
    """The options of `dvc exp run` for these settings, given by dotted name."""
    # Hydra's grammar, which DVC uses, is JSON without quotes around the keys of a mapping.
    # It reads no escape such as \\u00fc.
    texts = {
        key: json.dumps(value, ensure_ascii=False, default=str) for key, value in settings.items()
    }
    bare = {key: re.sub(r'"([\w -]+)": ', r"\1: ", text) for key, text in texts.items()}
    return [f"--set-param={key}={text}" for key, text in bare.items()]
