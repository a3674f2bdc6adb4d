"""The search for near-duplicates of test pictures, alone: a part of the stage split."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core.terminal import console, run_command
from pipeline.ingest.duplicates import nearest_within

DISTANCE = 6  # bits, as in params.yaml


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.searching", description=__doc__)
    parser.add_argument("index", type=Path, help="index.csv, from extract")
    index = pd.read_csv(parser.parse_args().index, usecols=["split", "phash"], dtype=str)
    hashes = np.fromiter((int(digits, 16) for digits in index["phash"]), np.uint64, len(index))
    test = (index["split"] == "test").to_numpy()
    positions, _ = nearest_within(hashes[~test], hashes[test], DISTANCE)
    console.print(f"{np.count_nonzero(positions >= 0)} resemble one of {np.count_nonzero(test)}")


if __name__ == "__main__":
    run_command(main)
