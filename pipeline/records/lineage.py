"""Where a run comes from: commit, uncommitted changes, digests of code and data, locked params."""

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from pipeline.files import file_digest

UNKNOWN = "unknown"
DATA_STAGES = ("download", "extract", "split")

# What decides a run besides params.yaml, dvc.lock and the metrics, which are recorded anyway.
SOURCE = ("*.py", "pipeline", "stages", "dvc.yaml", "pyproject.toml", "requirements.lock")


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


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"train": {"lr": 1}} as {"train.lr": 1}; dataclasses count as mappings, lists as values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if is_dataclass(value) and not isinstance(value, type):
            flat.update(flatten(asdict(value), f"{name}."))
        elif isinstance(value, Mapping):
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat


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
    """The sha256 of each Python file in pipeline/ and stages/, by its path in the workspace."""
    files = (file for wing in ("pipeline", "stages") for file in (workspace / wing).rglob("*.py"))
    return {file.relative_to(workspace).as_posix(): file_digest(file) for file in sorted(files)}


def code_digest(workspace: Path) -> str:
    """sha256 over names and contents of the Python files in pipeline/ and stages/."""
    lines = [f"{name} {digest}\n" for name, digest in source_digests(workspace).items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def git_commit(workspace: Path) -> str:
    """The full hash of HEAD, or "unknown"."""
    commit = _git(workspace, "rev-parse", "--verify", "HEAD")
    return UNKNOWN if commit is None else commit.decode().strip()


def source_patch(workspace: Path) -> bytes | None:
    """What `git apply` needs to make HEAD's source the present one; None without a commit.

    Files that git does not know yet are in it as additions, unless they are ignored.
    """
    if git_commit(workspace) == UNKNOWN:
        return None
    with TemporaryDirectory() as folder:
        # An index of our own, so that new files can be shown without touching the user's.
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        _git(workspace, "read-tree", "HEAD", **index)
        new = _git(
            workspace, "ls-files", "-z", "--others", "--exclude-standard", "--", *SOURCE, **index
        )
        if names := [os.fsdecode(name) for name in (new or b"").split(b"\0") if name]:
            _git(workspace, "add", "--intent-to-add", "--", *names, **index)
        return _git(workspace, "diff-index", "-p", "--binary", "HEAD", "--", *SOURCE, **index)


def _git(workspace: Path, *arguments: str, **environment: str) -> bytes | None:
    """The output of a git command in the workspace; None if it fails or git is missing."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=workspace,
            env={**os.environ, **environment},
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout


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
