"""The reference of params.yaml: what is accepted is read from the params classes, what a key means
from the file's comments.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from pipeline.core.params import Seed
from pipeline.data.description import DownloadParams
from pipeline.model.settings import ModelParams
from pipeline.monitoring.drift import MonitorParams
from stages.evaluate import EvaluateParams
from stages.export import ExportParams
from stages.extract import ExtractParams
from stages.split import SplitParams
from stages.train import TrainParams
from tools.gate import GateParams
from tools.labelling.ranking import LabelsParams

SECTIONS: dict[str, Any] = {  # the class, or the plain type, that each section is read into
    "seed": Seed,
    "download": DownloadParams,
    "extract": ExtractParams,
    "split": SplitParams,
    "model": ModelParams,
    "train": TrainParams,
    "evaluate": EvaluateParams,
    "export": ExportParams,
    "gate": GateParams,
    "monitor": MonitorParams,
    "labels": LabelsParams,
}
HEAD = """# Settings

Every key of `params.yaml`: the value that the project comes with, what is accepted, and what it
means. `[0, 1)` is a range that includes 0 and excludes 1. Anything else, an unknown key included,
is refused by file and key before any work. `dvc exp run -S train.lr=0.001` changes one for a run.
"""
TABLE = "| key | default | accepted | meaning |\n|---|---|---|---|"

Schema = Mapping[str, Any]  # a JSON schema


def reference(file: Path) -> str:
    """The page, in Markdown: a table for each section of the file."""
    values = YAML().load(file.read_text())
    parts = [HEAD]
    for name, kind in SECTIONS.items():
        schema = TypeAdapter(kind).json_schema()
        title, own = f"\n## {name}\n", meaning(values, name)
        if isinstance(values[name], CommentedMap):
            parts += [title, own, "", TABLE, *rows(values[name], schema, schema, f"{name}.")]
        else:
            parts += [title, TABLE, row(name, values[name], accepted(schema, schema), own)]
    return "\n".join(parts)


def rows(values: CommentedMap, schema: Schema, whole: Schema, prefix: str) -> Iterator[str]:
    """A row for each key of a section, also for those of the sections in it."""
    for key, value in values.items():
        inner = resolved(schema["properties"][key], whole)
        if "properties" in inner:
            yield from rows(value, inner, whole, f"{prefix}{key}.")
        else:
            yield row(prefix + key, value, accepted(inner, whole), meaning(values, key))


def row(key: str, value: object, taken: str, text: str) -> str:
    shown = "null" if value is None else value
    return f"| `{key}` | `{shown}` | {taken} | {text} |"


def meaning(values: CommentedMap, key: str) -> str:
    """The comment at the end of the key's line; empty without one."""
    comment = (values.ca.items.get(key) or [None] * 3)[2]
    return comment.value.split("\n")[0].lstrip("# ") if comment else ""


def resolved(schema: Schema, whole: Schema) -> Schema:
    """The schema itself, or the one of the whole that it refers to."""
    return whole["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def accepted(schema: Schema, whole: Schema) -> str:
    """What a value may be, in words."""
    schema = resolved(schema, whole)
    if "anyOf" in schema:
        return " or ".join(accepted(each, whole) for each in schema["anyOf"])
    if "properties" in schema:
        needed = schema.get("required", ())
        keys = (f"`{key}`{'' if key in needed else ' (optional)'}" for key in schema["properties"])
        return f"keys {', '.join(keys)}"
    if choices := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return " or ".join(f"`{each}`" for each in choices)
    return of_type(schema, whole)


def of_type(schema: Schema, whole: Schema) -> str:
    """What a value of the schema's type may be, in words."""
    kind = schema["type"]
    if kind == "array":
        lengths = span("minItems", "maxItems", schema)
        return f"list of {accepted(schema['items'], whole)}{lengths and f', {lengths} long'}"
    if kind == "object":
        return f"{accepted(schema['additionalProperties'], whole)} by name"
    if kind == "string":
        return f"text like `{schema['pattern']}`" if "pattern" in schema else "text"
    return "`null`" if kind == "null" else f"{kind} {span('minimum', 'maximum', schema)}".rstrip()


def span(least: str, most: str, schema: Schema) -> str:
    """The range between two keywords of JSON schema, such as (0, 1]; empty without either."""
    opened, closed = (f"exclusive{name[0].upper()}{name[1:]}" for name in (least, most))
    low = f"[{schema[least]}" if least in schema else f"({schema.get(opened, '-∞')}"
    high = f"{schema[most]}]" if most in schema else f"{schema.get(closed, '∞')})"
    return "" if (low, high) == ("(-∞", "∞)") else f"{low}, {high}"
