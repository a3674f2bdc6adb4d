"""How full the disk is, and what could be cleared away without a loss."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from rich.filesize import decimal

from pipeline.core.layout import workspace_root
from pipeline.records.addresses import local_path
from pipeline.records.store import Store
from pipeline.records.tracking import all_runs
from tools.checkup.finding import Finding

LITTLE = 5_000_000_000  # bytes; the official data set in all its forms takes about 4 GB
KEPT = ("--workspace", "--all-commits", "--all-experiments")


def check_disk(store: Store) -> Iterator[Finding]:
    root = workspace_root()
    free = shutil.disk_usage(root).free
    if free < LITTLE:
        yield Finding("note", f"only {decimal(free)} are free", "what can be cleared is below")
    else:
        yield Finding("good", f"{decimal(free)} are free")
    for folder, what in {".dvc/cache": "DVC's cache", "mlartifacts": "artifacts of runs",
                         ".cache": "pictures decoded for training, logs"}.items():  # fmt: skip
        yield Finding("good", f"{folder}: {decimal(_size(root / folder))} ({what})")
    yield from _clearable_cache(root)
    yield from _deleted(store)
    yield from _copies(root)


def _clearable_cache(root: Path) -> Iterator[Finding]:
    """What no commit, no experiment and not the workspace names."""
    command = ["dvc", "gc", *KEPT, "--force", "--dry"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    lines = [line.removeprefix("Removing ") for line in told if line.startswith("Removing ")]
    files = [root / line for line in lines if (root / line).is_file()]
    if files:
        size = decimal(sum(file.stat().st_size for file in files))
        text = f"DVC's cache holds {size} that no commit and no experiment needs"
        yield Finding("note", text, f"dvc gc {' '.join(KEPT)}")


def _deleted(store: Store) -> Iterator[Finding]:
    runs = all_runs(store, deleted=True)
    folders = [path for run in runs if (path := local_path(run.info.artifact_uri))]
    if runs:
        size = decimal(sum(map(_size, folders)))
        yield Finding(
            "note",
            f"{len(runs)} deleted runs still hold {size}",
            f"mlflow gc --backend-store-uri {store.uri}",
        )


def _copies(root: Path) -> Iterator[Finding]:
    """Copies of the workspace that interrupted experiments left behind."""
    copies = [path for path in (root / ".dvc/tmp/exps").glob("*") if (path / ".git").exists()]
    if copies:
        size = decimal(sum(map(_size, copies)))
        yield Finding("note", f"{len(copies)} copies of the workspace hold {size}", "dvc exp clean")


def _size(folder: Path) -> int:
    """Bytes on disk of what is in a folder; what is linked to twice in it counts once."""
    if not folder.is_dir():
        return 0
    stats = (path.lstat() for path in folder.rglob("*"))
    return sum({stat.st_ino: stat.st_blocks * 512 for stat in stats}.values())
