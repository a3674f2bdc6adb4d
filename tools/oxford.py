"""Run the pipeline on the official photographs, as a DVC experiment with settings to match."""

import argparse
import os
import subprocess
from functools import partial
from pathlib import Path

from pipeline.core.files import file_digest
from pipeline.core.git import git_identity
from pipeline.core.params import read_params
from pipeline.core.terminal import UserError, console, run_command
from tools.sweeps.plan import param_options, setting

HOW_TO_GO_BACK = """The workspace is now in the state of this experiment.
To go back to the committed params:  git restore params.yaml && dvc repro"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.oxford", description=__doc__)
    for name, what in {"images": "pictures", "annotations": "masks"}.items():
        parser.add_argument(f"--{name}", help=f"path or URL of the {what}' archive (the official)")
    add = partial(parser.add_argument, metavar="NAME=VALUE", type=setting, help="a param")
    add("--set", action="append", default=[])
    parser.add_argument("--settings", type=Path, default=Path("experiments/oxford.yaml"))
    arguments = parser.parse_args()
    settings = read_params(arguments.settings)
    for archive in ("images", "annotations"):
        settings |= archive_settings(archive, getattr(arguments, archive))
    settings |= dict(arguments.set)
    command = ["dvc", "exp", "run", *param_options(settings)]
    console.print(" ".join(command), highlight=False, soft_wrap=True)
    status = subprocess.run(command, env=os.environ | git_identity(), check=False).returncode
    if status == 0:
        console.print(HOW_TO_GO_BACK, highlight=False)
    return status


def archive_settings(archive: str, source: str | None) -> dict[str, object]:
    """The params that take an archive ("images" or "annotations") from a path or a URL.

    Empty without a source. A local file's digest is included, so that DVC notices when the file
    changes. Raises UserError if there is no such file.
    """
    if source is None:
        return {}
    key = f"download.datasets.oxford.{archive}"
    if "://" in source:
        return {f"{key}.url": source, f"{key}.md5": None}
    path = Path(source).expanduser().resolve()
    if not path.is_file():
        raise UserError(f"{archive}: {source} is not a file; accepted is a path or a URL")
    return {f"{key}.url": str(path), f"{key}.md5": file_digest(path, "md5")}


if __name__ == "__main__":
    run_command(main)
