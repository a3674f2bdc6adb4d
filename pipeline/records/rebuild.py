"""Every stage run anew in a checkout: nothing taken from a cache, nothing left in the store."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from pipeline.core.params import load_yaml
from pipeline.records.old_params import with_recorded
from pipeline.records.origin import Origin
from pipeline.records.origin_files import PARAMS
from pipeline.records.store import SQLITE

SCORES = Path("metrics/evaluate.json")

# What of the caller's surroundings would lead back to the caller's repository, cache or store.
LEADING_BACK = ("DVC_", "MLFLOW_", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


def restore_params(root: Path, origin: Origin) -> None:
    """Write the checkout's params.yaml as it was: the run's values in the file that it kept.

    Where the run kept none, in the commit's.
    """
    text = origin.params_file or (root / PARAMS).read_text()
    values = with_recorded(load_yaml(text), origin.params)
    (root / PARAMS).write_text(yaml.safe_dump(values, sort_keys=False))


def store_uri(root: Path) -> str:
    """The store that the rebuild's runs go to: it goes with the checkout."""
    return f"{SQLITE}{root.parent}/mlflow.db"


def rebuild(root: Path, first: str | None = None) -> int:
    """Run the stages of the checkout, or those from `first` on; return DVC's exit status."""
    # A cache that is shared would give everything back, and prove nothing.
    (root / ".dvc/config.local").write_text(f"[cache]\n    dir = {root.parent}/cache\n")
    (root / SCORES).unlink(missing_ok=True)  # of then
    command = [sys.executable, "-m", "dvc", "repro", "--force", "--no-run-cache"]
    return _run([*command, *(["--downstream", first] if first else [])], root)


def _run(command: Sequence[str], root: Path) -> int:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(LEADING_BACK)}
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "MLFLOW_TRACKING_URI": store_uri(root),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DVC_SITE_CACHE_DIR": f"{root.parent}/site",
    }
    process = subprocess.Popen(command, cwd=root, env=kept | own, start_new_session=True)
    try:
        return process.wait()
    except BaseException:
        # The whole group: of DVC alone the stage would survive, in a folder that is about to go.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
