"""Extract the archives, check every pair of photograph and mask, and write the usable ones."""

import argparse
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.files import write_json
from pipeline.core.params import STRICT, read_section
from pipeline.core.terminal import run_command


@dataclass(frozen=True, config=STRICT)
class ExtractParams:
    """The params.yaml section `extract`."""

    max_quarantined_fraction: Annotated[float, Field(ge=0, le=1)]  # of the listed names


def main() -> None:
    """Read the archives, check their pairs, write the usable ones and what became of the rest."""
    arguments = parse_arguments()
    params = read_section("extract", ExtractParams)
    from pipeline.ingest.extraction import extract

    metrics = extract(arguments.raw, arguments.pets, params.max_quarantined_fraction)
    write_json(arguments.metrics, metrics)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.extract", description=__doc__)
    parser.add_argument("raw", type=Path, help="folder with images.tar* and annotations.tar*")
    parser.add_argument("pets", type=Path, help="folder to write: images/, masks/, index.csv")
    parser.add_argument("metrics", type=Path, help="JSON file to write: counts")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
