"""Read one section of params.yaml into a checked, frozen class."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pipeline.core.layout import PARAMS
from pipeline.core.terminal import UserError

# Every params class: numbers in quotes and infinities are refused, and so are unknown keys, which
# are typing errors.
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, defer_build=True)

Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32)]  # what numpy and torch both take
Threads = Annotated[int, Field(gt=0, le=1024)]

MISSING = ("missing", "missing_argument")  # pydantic's error types

SHOWN = 200  # characters of a wrong value

Section = TypeVar("Section")


class ParamsError(UserError):
    """params.yaml, or a file like it, holds a value that is not accepted."""


def read_section(section: str, kind: type[Section], file: Path = PARAMS) -> Section:
    """Return the section of the file as a checked `kind`, a pydantic dataclass or a plain type.

    Raises ParamsError, naming file, key and what is accepted, for a missing file or section,
    an unknown or missing key, a wrong type (numbers in quotes included) or a value out of range.
    """
    values = read_params(file)
    if section not in values:
        raise ParamsError(
            f"{file}: section '{section}' is missing; it has {', '.join(sorted(map(str, values)))}"
        )
    return check_values(values[section], kind, file, section)


def check_values(values: object, kind: type[Section], file: Path, section: str = "") -> Section:
    """The values read from a file, or a section of it, as a checked `kind`; see `read_section`."""
    try:
        # Through JSON, because its strict mode accepts lists as tuples and integers as floats.
        text = json.dumps(values, default=str)
    except (TypeError, ValueError) as error:  # a date for a key, a number of 5,000 digits
        raise ParamsError(f"{file}: {section}: {error}") from None
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        problems = [
            _explain(section, kind, json.loads(text), problem) for problem in error.errors()
        ]
        raise ParamsError("\n".join(f"{file}: {problem}" for problem in problems)) from None


def read_params(file: Path = PARAMS) -> dict[str, Any]:
    """Return all sections, unchecked. Raises ParamsError if the file has none."""
    try:
        values = load_yaml(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{file} is missing: run from the root of the repository") from None
    except OSError as error:
        raise ParamsError(f"{file} cannot be read: {error.strerror}") from None
    except (ParamsError, UnicodeDecodeError) as error:
        raise ParamsError(f"{file} is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{file}: expected sections such as 'train:', found {values!r}")
    return values


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"train": {"lr": 1}} as {"train.lr": 1}; dataclasses count as mappings, tuples as lists."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if is_dataclass(value) and not isinstance(value, type):
            flat.update(flatten(asdict(value), f"{name}."))
        elif isinstance(value, Mapping):
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = list(value) if isinstance(value, tuple) else value
    return flat


def load_yaml(text: str) -> Any:
    """Parse YAML with the reader that DVC uses, so that 1e-05 and 010 are the same number to both.

    Raises ParamsError for invalid YAML, for duplicate keys (one of them would be ignored), and for
    aliases, because a few lines of them can expand to more than memory holds.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - `--help` reads no YAML
    from ruamel.yaml.events import AliasEvent  # noqa: PLC0415

    reader = YAML(typ="safe", pure=True)
    try:
        for event in reader.parse(text):
            if isinstance(event, AliasEvent):
                line = event.start_mark.line + 1
                raise ParamsError(f"*{event.anchor} in line {line}: aliases are not accepted")
        return reader.load(text)
    except ParamsError:
        raise
    except Exception as error:  # its constructors raise errors of many kinds: a date of month 13
        mark, problem = (getattr(error, name, None) for name in ("problem_mark", "problem"))
        place = f" in line {mark.line + 1}" if mark else ""
        raise ParamsError(f"{problem or error}{place}") from None


def _explain(section: str, kind: type, values: object, problem: ErrorDetails) -> str:
    """One line about one pydantic error: which key, what is wrong, what was found."""
    key = ".".join([*filter(None, [section]), *_keys(values, problem)])
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = [field.name for field in fields(kind)] if is_dataclass(kind) else []
        inner = len(problem["loc"]) > 1 or not known
        return f"{key} is not a known key" + ("" if inner else f"; known: {', '.join(known)}")
    if problem["type"] in MISSING:
        return f"{key} is missing"
    if problem["type"] == "value_error":  # raised by a params class about its own fields
        return f"{key}: {problem['ctx']['error']}" if key else str(problem["ctx"]["error"])
    hint = _number_hint(problem)
    found = repr(problem["input"])
    found = found if len(found) <= SHOWN else f"{found[:SHOWN]}..."
    return f"{key or 'the file'}: {problem['msg']}, found {found}{hint}"


def _keys(values: object, problem: ErrorDetails) -> list[str]:
    """The keys that lead to the problem, without the names that pydantic gives to union members."""
    keys = []
    for part in problem["loc"]:
        try:
            values = values[part]  # type: ignore[index]
        except (LookupError, TypeError):
            continue
        keys.append(str(part))
    return [*keys, str(problem["loc"][-1])] if problem["type"] in MISSING else keys


def _number_hint(problem: ErrorDetails) -> str:
    if problem["type"] not in ("int_type", "float_type") or not isinstance(problem["input"], str):
        return ""
    try:
        float(problem["input"])
    except ValueError:
        return ""
    return " (text, not a number: leave out the quotes)"
