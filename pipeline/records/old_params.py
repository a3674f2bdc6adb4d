"""params.yaml as it was for a run, from what the run recorded."""

import ast
import copy
from collections.abc import Mapping
from typing import Any

from pipeline.core.params import flatten


def with_recorded(values: Mapping[str, Any], recorded: Mapping[str, str]) -> dict[str, Any]:
    """The sections with the recorded values in their places; the others as they are.

    recorded: by dotted names, as the text that MLflow keeps: {"train.lr": "0.001"}.
    """
    sections = copy.deepcopy(dict(values))
    present = flatten(values)
    for name, text in recorded.items():
        *parents, key = name.split(".")
        section = sections
        for parent in parents:
            section = section.setdefault(parent, {})
        section[key] = parse(text, present.get(name))
    return sections


def contradictions(
    values: Mapping[str, Any], recorded: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Where the file and the record of one run disagree: the file's value, the recorded one."""
    present = flatten(values)
    return {
        name: (str(present[name]), text)
        for name, text in recorded.items()
        if name in present and parse(text, present[name]) != present[name]
    }


def parse(text: str, present: Any) -> Any:
    """The value that was written as `text`: `present` if that would be, else what Python reads.

    So "1e-05" is a number, "(4, 8)" a list, "None" nothing, and what is no literal a text.
    """
    if str(present) == text:
        return present
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return list(value) if isinstance(value, tuple) else value
