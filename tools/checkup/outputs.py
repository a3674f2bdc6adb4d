"""DVC's side: outputs as dvc.lock says, and every checkpoint with its run, every run with its."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.core.files import file_digest
from pipeline.records.run import CHECKPOINT_TAG
from pipeline.records.store import Store
from pipeline.records.tracking import all_runs
from tools.checkup.finding import Finding

CHECKPOINT = "models/checkpoint.pth"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that dvc.lock names somewhere in git, and its file in the cache if it is there.

    `where`: the experiment or the commit that names it first.
    """

    where: str
    is_experiment: bool
    sha256: str | None


def check_outputs() -> Iterator[Finding]:
    """Whether the workspace is as dvc.lock says, and the cache has what it names."""
    changed = json.loads(_dvc("status", "--json"))
    if changed:
        names = ", ".join(changed)
        yield Finding("note", f"not as dvc.lock says: {names}", "dvc repro")
    else:
        yield Finding("good", "dvc.lock is in sync: params, code, data and outputs")
    absent = json.loads(_dvc("data", "status", "--json")).get("not_in_cache", [])
    if absent:
        yield Finding(
            "bad",
            f"DVC's cache lacks {', '.join(absent)}",
            "dvc commit (if the workspace has them), dvc pull (with a remote), or dvc repro",
        )


def check_pairs(store: Store) -> Iterator[Finding]:
    """Whether each checkpoint that DVC can bring back has its run, and each run its checkpoint."""
    runs = {run.data.tags[CHECKPOINT_TAG]: run for run in all_runs(store)
            if CHECKPOINT_TAG in run.data.tags}  # fmt: skip
    checkpoints = known_checkpoints()
    if Path(CHECKPOINT).is_file():
        checkpoints.append(Checkpoint("the workspace", False, file_digest(Path(CHECKPOINT))))
    without = [each for each in checkpoints if each.sha256 and each.sha256 not in runs]
    for each in without:
        take = f"dvc exp apply {each.where}; " if each.is_experiment else ""
        yield Finding(
            "note",
            f"the model of {each.where} has no run in this store",
            f"{take}python -m tools.models gate",
        )
    lost = [runs[digest] for digest in runs.keys() - {each.sha256 for each in checkpoints}]
    for run in lost:
        yield Finding(
            "note",
            f"run {run.info.run_id} ({run.info.run_name}): the cache has its checkpoint for no "
            "commit and no experiment",
            f"dvc pull --all-commits (with a remote), or make verify RUN={run.info.run_id}",
        )
    if not without and not lost:
        yield Finding("good", "every checkpoint has its run, and every run its checkpoint")


def known_checkpoints() -> list[Checkpoint]:
    """The checkpoints of all commits and experiments, each once."""
    cache = Path(_dvc("cache", "dir").strip())
    found: dict[str, Checkpoint] = {}
    for where, experiment, lock in _locks():
        md5 = _checkpoint_md5(lock)
        if md5 and md5 not in found:
            file = cache / "files/md5" / md5[:2] / md5[2:]
            digest = file_digest(file) if file.is_file() else None
            found[md5] = Checkpoint(where, experiment, digest)
    return list(found.values())


def _locks() -> Iterator[tuple[str, bool, Mapping[str, Any]]]:
    """Every dvc.lock that a commit or an experiment has: the name of that, whether it is an
    experiment, and the content.
    """
    references = _git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    experiments = [each for each in references if len(each.split("/")) == 5]
    revisions = [(each.split("/")[-1], True, each) for each in experiments]
    commits = _git("rev-list", "--branches", "--tags", "--remotes", "HEAD", "--", "dvc.lock")
    revisions += [(each[:7], False, each) for each in commits.split()]
    seen = set()
    for name, is_experiment, revision in revisions:
        blob = _git("rev-parse", "--verify", "--quiet", f"{revision}:dvc.lock").strip()
        if blob and blob not in seen:
            seen.add(blob)
            yield name, is_experiment, yaml.safe_load(_git("cat-file", "blob", blob)) or {}


def _checkpoint_md5(lock: Mapping[str, Any]) -> str | None:
    outs = lock.get("stages", {}).get("train", {}).get("outs", [])
    return next((out.get("md5") for out in outs if out["path"] == CHECKPOINT), None)


def _dvc(*arguments: str) -> str:
    return subprocess.run(["dvc", *arguments], capture_output=True, text=True, check=True).stdout


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout
