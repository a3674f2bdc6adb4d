"""Where a run comes from: commit, uncommitted changes, digests of code and data, locked params."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.core.files import file_digest
from pipeline.core.git import UNKNOWN, git_commit, source_patch
from pipeline.core.params import flatten

DATA_STAGES = ("download", "extract", "split")


def lineage_tags(data: Path, workspace: Path) -> dict[str, str]:
    """What a run made in `workspace` from the extracted data set `data` is tagged with.

    `git.commit`, `git.dirty` ("true" or "false"), `dvc.exp_name` (in a DVC experiment),
    `code.digest`, `data.name` (download.dataset), `data.digest` (DVC's, of the whole folder) and
    `data.index_md5`, the identity of the data set: index.csv holds the digest of every file.
    What cannot be found out (no git, no dvc.lock, another index.csv than the locked one) is
    "unknown".
    """
    lock = read_lock(workspace)
    patch = source_patch(workspace)
    index = data / "index.csv"
    index_md5 = file_digest(index, "md5") if index.is_file() else UNKNOWN
    tags = {
        "git.commit": git_commit(workspace),
        "git.dirty": UNKNOWN if patch is None else str(bool(patch)).lower(),
        "code.digest": code_digest(workspace),
        "data.name": locked_params(lock).get("download.dataset", UNKNOWN),
        "data.digest": _locked_digest(lock, data, index_md5),
        "data.index_md5": index_md5,
    }
    if name := os.environ.get("DVC_EXP_NAME"):
        tags["dvc.exp_name"] = name
    return tags


def read_lock(workspace: Path) -> dict[str, Any]:
    """dvc.lock by stage: what DVC last ran each with. Empty if there is no such file."""
    file = workspace / "dvc.lock"
    if not file.is_file():
        return {}
    return (yaml.safe_load(file.read_text()) or {}).get("stages", {})


def locked_params(lock: Mapping[str, Any], stages: Iterable[str] = DATA_STAGES) -> dict[str, str]:
    """The params that the stages in fact ran with, flat; of the data sets only the chosen one."""
    flat: dict[str, Any] = {}
    for stage in stages:
        for section in lock.get(stage, {}).get("params", {}).values():
            flat.update(flatten(section))
    others, chosen = "download.datasets.", f"download.datasets.{flat.get('download.dataset')}."
    return {
        key: str(value)
        for key, value in flat.items()
        if key.startswith(chosen) or not key.startswith(others)
    }


def source_digests(workspace: Path) -> dict[str, str]:
    """The sha256 of each .py and .toml file in pipeline/ and stages/, by path in the workspace."""
    found = (file for wing in ("pipeline", "stages") for file in (workspace / wing).rglob("*.*"))
    files = sorted(file for file in found if file.suffix in (".py", ".toml"))
    return {file.relative_to(workspace).as_posix(): file_digest(file) for file in files}


def code_digest(workspace: Path) -> str:
    """sha256 over names and contents of the source files in pipeline/ and stages/."""
    lines = [f"{name} {digest}\n" for name, digest in source_digests(workspace).items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _locked_digest(lock: Mapping[str, Any], data: Path, index_md5: str) -> str:
    """DVC's digest of the folder, "<md5>.dir", unless index.csv is not the one DVC knew.

    Of the data stages alone: what later ones say of their deps is of their last run.
    """
    digests = {
        entry["path"]: entry.get("md5", UNKNOWN)
        for stage in (lock.get(name, {}) for name in DATA_STAGES)
        for kind in ("deps", "outs")
        for entry in stage.get(kind, [])
    }
    if digests.get((data / "index.csv").as_posix(), index_md5) != index_md5:
        return UNKNOWN
    return digests.get(data.as_posix(), UNKNOWN)
