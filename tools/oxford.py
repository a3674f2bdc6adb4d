"""Run the pipeline on the official photographs, as a DVC experiment with settings fit for them."""

import argparse
import os
import subprocess
from pathlib import Path

from pipeline.core.files import file_digest
from pipeline.core.git import git_identity
from pipeline.core.params import load_yaml
from pipeline.core.terminal import UserError, console, run_command
from tools.experiments import param_options, split_setting

HOW_TO_GO_BACK = """The workspace is now in the state of this experiment.
To go back to the committed params:  git restore params.yaml && dvc repro"""


def main() -> int:
    arguments = parse_arguments()
    settings = load_yaml(arguments.settings.read_text())
    for archive in ("images", "annotations"):
        settings |= archive_settings(archive, getattr(arguments, archive))
    settings |= dict(split_setting(setting) for setting in arguments.set)
    status = run_experiment(settings)
    if status == 0:
        console.print(HOW_TO_GO_BACK, highlight=False)
    return status


def archive_settings(archive: str, source: str | None) -> dict[str, object]:
    """The params that take an archive from elsewhere; none without a source.

    A local file's digest goes along: DVC then notices when the file has changed. Raises UserError
    if there is no such file.
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


def run_experiment(settings: dict[str, object]) -> int:
    """Run `dvc exp run` with the settings; return its exit status."""
    command = ["dvc", "exp", "run", *param_options(settings)]
    console.print(" ".join(command), highlight=False, soft_wrap=True)
    return subprocess.run(command, env=os.environ | git_identity(), check=False).returncode


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.oxford", description=__doc__)
    parser.add_argument(
        "--images", help="path or URL of the archive of pictures (the official one)"
    )
    parser.add_argument(
        "--annotations", help="path or URL of the archive of masks (the official one)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a param")
    parser.add_argument("--settings", type=Path, default=Path("experiments/oxford.yaml"))
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
