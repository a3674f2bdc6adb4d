"""Run every stage again in a checkout, without a cache and without a trace in the user's store."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.git import path_in_git, run_git
from pipeline.core.layout import EVALUATE_METRICS, PAIRS, PARAMS, REVIEWED, in_repository
from pipeline.core.params import flatten, load_yaml
from pipeline.core.terminal import console, run_process
from pipeline.records.database import sqlite_uri
from pipeline.records.reproduce.provenance import Provenance
from pipeline.records.runs import NO_LINK

AFTER_EXTRACT = "split"  # the stage that reads data/pairs first
# Variables that would lead back to the caller's repository, cache or store.
LEADING_BACK = ("DVC_", "MLFLOW_", "PETSEG_", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


@contextmanager
def rebuilt(provenance: Provenance, data: Path | None) -> Iterator[tuple[Path, bool]]:
    """Rebuild the model in a checkout; give that, and whether every stage ended well.

    data: a data set to take instead of making it again, with the folder of reviews beside it.
    """
    with worktree(Path.cwd(), provenance.commit, provenance.patch) as root:
        if provenance.params_file is not None:  # else the commit's has to do
            (root / PARAMS).write_text(provenance.params_file)
        bring_weights(root)
        patched = " with its patch" if provenance.patch else ""
        console.print(f"Rebuilding {provenance.name}: commit {provenance.commit[:7]}{patched}")
        if data:
            shutil.copytree(data, root / PAIRS)
            if (reviewed := data.with_name(REVIEWED.name)).is_dir():
                shutil.copytree(reviewed, root / REVIEWED)
        yield root, rebuild(root, AFTER_EXTRACT if data else None) == 0


def bring_weights(root: Path) -> None:
    """Link the file of model.weights, which git does not track, if its path is a relative one."""
    text = (root / PARAMS).read_text(encoding="utf-8")
    weights = flatten(load_yaml(text) or {}).get("model.weights")
    if not weights or Path(weights).is_absolute():
        return
    there, here = in_repository(weights), root / weights
    if there.is_file() and not here.exists():
        here.parent.mkdir(parents=True, exist_ok=True)
        here.symlink_to(there)


@contextmanager
def worktree(repository: Path, commit: str, patch: bytes | None) -> Iterator[Path]:
    """Give the project at the commit, patched; remove it and what lies beside it after the block.

    Raises UserError if the repository lacks the commit or the patch does not apply.
    """
    with TemporaryDirectory(prefix="petseg-verify-", ignore_cleanup_errors=True) as folder:
        top = Path(folder).resolve() / "petseg"
        try:
            run_git(repository, "worktree", "add", "--quiet", "--detach", str(top), commit)
            if patch:
                run_git(top, "apply", "--whitespace=nowarn", stdin=patch)
            yield top / path_in_git(repository)
        finally:
            if top.exists():
                run_git(repository, "worktree", "remove", "--force", str(top))


def store_uri(root: Path) -> str:
    """The store of the rebuild's runs; it is removed with the checkout."""
    return sqlite_uri(root.parent / "mlflow.db")


def rebuild(root: Path, first: str | None = None) -> int:
    """Run the stages of the checkout, or those from `first` on; return DVC's exit status."""
    # A shared cache would give everything back, and prove nothing.
    (root / ".dvc/config.local").write_text(f"[cache]\n    dir = {root.parent}/cache\n")
    (root / EVALUATE_METRICS).unlink(missing_ok=True)  # the commit's
    command = [sys.executable, "-m", "dvc", "repro", "--force", "--no-run-cache"]
    command += ["--downstream", first] if first else []
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "MLFLOW_TRACKING_URI": store_uri(root),
        NO_LINK: "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DVC_SITE_CACHE_DIR": f"{root.parent}/site",
    }
    kept = {key: value for key, value in os.environ.items() if not key.startswith(LEADING_BACK)}
    return run_process(command, kept | own, root)
