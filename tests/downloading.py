"""The stage download, run as DVC does, in a folder with a params.yaml of its own."""

import os
import subprocess
import sys
from pathlib import Path

import yaml
from tiny_pets import REPOSITORY


def run_download(folder: Path, entry: object) -> subprocess.CompletedProcess[str]:
    """Fetch the one data set that params.yaml then has into data/raw of the folder."""
    params = {"download": {"dataset": "mine", "datasets": {"mine": entry}}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return subprocess.run(
        [sys.executable, "-m", "stages.download", "data/raw", "metrics/download.json"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "DVC_ROOT": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
