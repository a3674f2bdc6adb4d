"""Run the pipeline on a data set, as a DVC experiment with settings to match."""

import argparse
import hashlib
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from pipeline.core.files import file_digest
from pipeline.core.git import git_identity
from pipeline.core.layout import DATASETS, expand_home, in_repository
from pipeline.core.params import read_params
from pipeline.core.terminal import UserError, console, run_command, say
from pipeline.data.description import SampleParams, Sources, read_description
from pipeline.ingest.archives import pack_folder
from pipeline.ingest.fetch import path_in
from tools.sweeps.plan import param_options, setting, split_setting

HOW_TO_GO_BACK = """The workspace is now in the state of this experiment.
To go back to the committed params:  git restore params.yaml && dvc repro"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.train", description=__doc__)
    parser.add_argument("dataset", help="name of a file in datasets/, such as camvid")
    add = partial(parser.add_argument, action="append", default=[])
    place = "read one of its sources from this path or URL"
    add("--place", metavar="SOURCE=PATH", type=split_setting, help=place)
    add("--set", metavar="NAME=VALUE", type=setting, help="a param")
    settings = "file of params (experiments/DATASET.yaml, if there is one)"
    parser.add_argument("--settings", type=Path, help=settings)
    arguments = parser.parse_args()
    description = read_description(DATASETS / f"{arguments.dataset}.yaml")
    usual = Path("experiments", f"{arguments.dataset}.yaml")
    file = arguments.settings or (usual if usual.is_file() else None)
    params = read_params(file) if file else {}
    own = params.get("download.dataset", arguments.dataset) == arguments.dataset
    if not own or "export.model_name" not in params:
        params["export.model_name"] = f"{arguments.dataset}-segmentation"
    found = find_places(description.sources, dict(arguments.place))
    places = {each["source"]: each for each in (*params.get("download.places", ()), *found)}
    params |= {
        "download.dataset": arguments.dataset,
        "download.places": [*places.values()],
        **dict(arguments.set),
    }
    command = ["dvc", "exp", "run", *param_options(params)]
    say(" ".join(command))
    called = [sys.executable, "-m", *command]  # it need not be on the path
    status = subprocess.run(called, env=git_identity() | os.environ, check=False).returncode
    if status == 0:
        console.print(HOW_TO_GO_BACK, highlight=False)
    return status


def find_places(sources: Sources, given: dict[str, str]) -> list[dict[str, str]]:
    """The value of download.places: the given paths or URLs, and what is on this machine anyway.

    What is on this machine comes with its digest, so that DVC notices a change.
    Raises UserError for a name that is no source, and for a path that leads nowhere.
    """
    own = {} if isinstance(sources, SampleParams) else sources
    for name in given.keys() - own.keys():
        known = ", ".join(own) or "none"
        raise UserError(f"--place {name}: the data set has no such source; known: {known}")
    places = []
    for name, source in own.items():
        url = given.get(name, source.url)
        place = path_in(url)
        path = expand_home(place).resolve() if name in given else in_repository(place)
        if path.exists():
            if name in given or source.md5 is None or path.is_dir():
                places.append({"source": name, "url": str(path), "md5": place_digest(path)})
        elif name in given:
            if "://" not in url:
                raise UserError(f"{name}: {url} is no file or folder; accepted is a path or a URL")
            places.append({"source": name, "url": url})
    return places


def place_digest(path: Path) -> str:
    """The md5 of an archive, or of the one that download makes of a folder."""
    if not path.is_dir():
        return file_digest(path, "md5")
    digest = hashlib.md5(usedforsecurity=False)
    pack_folder(path, SimpleNamespace(write=digest.update))  # type: ignore[arg-type]
    return digest.hexdigest()


if __name__ == "__main__":
    run_command(main)
