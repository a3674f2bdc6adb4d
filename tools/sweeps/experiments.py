"""Finished DVC experiments: their git references, and the metrics in their commits."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.core.git import run_git

REFERENCES = "refs/exps"


def finished_experiments() -> dict[str, str]:
    """The git reference of each of DVC's experiments, by name, whatever commit it began from."""
    listed = run_git(Path(), "for-each-ref", "--format=%(refname)", REFERENCES).decode()
    return {reference.rpartition("/")[2]: reference for reference in listed.split()}


def read_metrics(reference: str, files: Iterable[Path]) -> dict[str, Any]:
    """The content of these metrics files in the experiment's commit, by the files' stems."""
    texts = {file: run_git(Path(), "show", f"{reference}:./{file}") for file in files}
    return {file.stem: json.loads(text) for file, text in texts.items()}
