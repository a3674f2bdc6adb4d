"""Decode the pictures of the training lists into the cache: how the stage train begins."""

import argparse
from pathlib import Path

from pipeline.core.terminal import console, positive, run_command
from pipeline.data.cache import open_pictures
from pipeline.data.splits import read_split


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decoding", description=__doc__)
    parser.add_argument("pets", type=Path, help="from extract")
    parser.add_argument("splits", type=Path, help="from split")
    parser.add_argument("size", type=positive, help="of the pictures, in pixels")
    arguments = parser.parse_args()
    for split in ("train", "val"):
        names = read_split(arguments.splits / f"{split}.csv")["name"].tolist()
        pictures = open_pictures(arguments.pets, names, arguments.size)
        console.print(f"{split}: {len(pictures.images)} pictures")


if __name__ == "__main__":
    run_command(main)
