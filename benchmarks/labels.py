"""Damage one mask in twenty in six ways, train, rank the pairs, and count which come first.

Beside `make labels`, on the same predictions: the ranking of cleanlab's segmentation module, if it
is installed (pip install cleanlab), and that by each image's mIoU. Everything happens in a copy of
the workspace; its params.yaml says how models are trained.
"""

import argparse
import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.table import Table
from scipy.ndimage import shift

from pipeline.core.files import file_digest, write_csv
from pipeline.core.layout import MODELS, PAIRS, PARAMS, SPLITS, SUSPECTS
from pipeline.core.terminal import UserError, console, positive, run_command
from pipeline.data.classes import IGNORE, Classes, read_classes
from pipeline.data.images import load_mask, save_mask
from pipeline.data.pairs import image_of, mask_of, mask_path
from pipeline.data.splits import read_split
from pipeline.data.transforms import resize_mask
from pipeline.ingest.reviews import swapped
from pipeline.model.checkpoint import load_checkpoint
from pipeline.scoring.confusion import count_pairs, margins, mean_iou
from pipeline.scoring.segmenter import BothWays, Segmenter
from pipeline.scoring.suspects import (
    ANOTHER,
    ONE_CLASS,
    PART_MISSING,
    SHIFTED,
    SWAPPED,
    read_suspects,
)

SHARE = 0.05  # of the masks
# Each way of damage, and the kind as which it should be known.
DAMAGES = {
    "swapped": SWAPPED,
    "empty": ONE_CLASS,
    "full": ONE_CLASS,
    "shifted": SHIFTED,
    "part missing": PART_MISSING,
    "another's mask": ANOTHER,
}
SHIFTS = (0.05, 0.15)  # of the shorter side
MISSING = (0.3, 0.6)  # of the object

BATCH = 16
REPOSITORY = Path(__file__).resolve().parents[1]
TRAIN = ("stages.train", PAIRS, SPLITS, MODELS, "metrics/train.json", "metrics/plots/train")

Mask = NDArray[np.uint8]


def main() -> None:
    arguments = parse_arguments()
    tables = []
    for seed in range(arguments.seeds):
        with TemporaryDirectory(prefix="petseg-labels-") as folder:
            workspace = Path(folder)
            copy_workspace(workspace)
            damaged = damage_pairs(workspace, seed)
            run_in(workspace, *TRAIN)
            run_in(workspace, "tools.labels", "rank")
            tables.append(first_ranks(workspace, damaged))
    found = count_found(pd.concat(tables))
    console.print(table_of(found))
    print(json.dumps({"seeds": arguments.seeds, "found": found}))


def copy_workspace(workspace: Path) -> None:
    """Pairs (as links), lists and params.yaml, in a workspace of their own."""
    shutil.copytree(PAIRS.resolve(), workspace / PAIRS, copy_function=os.symlink)
    shutil.copytree(SPLITS, workspace / SPLITS)
    shutil.copy(PARAMS, workspace)


def damage_pairs(workspace: Path, seed: int) -> dict[str, str]:
    """Damage the workspace's masks, its test list as much as the others; return how, by name."""
    pairs, random = workspace / PAIRS, np.random.default_rng(seed)
    files = (workspace / SPLITS / f"{split}.csv" for split in ("train", "val", "test"))
    train, val, test = (read_split(file)["name"].tolist() for file in files)
    ways = cycle(DAMAGES)
    damaged: dict[str, str] = {}
    for names in (train + val, test):
        chosen = random.choice(names, round(SHARE * len(names)), replace=False).tolist()
        damaged |= {name: next(ways) for name in chosen}
    classes = read_classes(pairs)
    sound = [each for each in train + val + test if each not in damaged]
    for name, way in damaged.items():
        file, other = mask_path(pairs, name), mask_path(pairs, str(random.choice(sound)))
        new = damage(load_mask(file), way, load_mask(other), classes, random)
        file.unlink()  # a link
        save_mask(file, new, classes.palette)
    write_digests(pairs, damaged)
    return damaged


def write_digests(pairs: Path, names: Iterable[str]) -> None:
    """Bring index.csv up to date, by which trainings know their data."""
    file = pairs / "index.csv"
    index = pd.read_csv(file, dtype=str, keep_default_na=False).set_index("name")
    for name in names:
        index.loc[name, "mask_sha256"] = file_digest(mask_path(pairs, name))
    file.unlink()
    write_csv(file, index.reset_index())


def damage(
    mask: Mask, way: str, other: Mask, classes: Classes, random: np.random.Generator
) -> Mask:
    """The (H, W) mask damaged in one of the ways; `other`: the mask of another pair."""
    thing, ground = classes.foreground[0], classes.with_role("background")[0]
    if way == "swapped":
        return swapped(mask, thing, ground)
    if way in ("empty", "full"):
        return np.full_like(mask, thing if way == "full" else ground)
    if way == "another's mask":
        return np.array(Image.fromarray(other).resize(mask.shape[::-1], Image.Resampling.NEAREST))
    angle = random.uniform(0, 2 * math.pi)
    direction = np.array([math.sin(angle), math.cos(angle)])
    if way == "part missing":
        along = np.moveaxis(np.indices(mask.shape), 0, -1) @ direction
        cut = np.quantile(along[mask == thing], 1 - random.uniform(*MISSING))
        return np.where(along > cut, ground, mask).astype(np.uint8)
    far = min(mask.shape) * random.uniform(*SHIFTS)
    return shift(mask, np.rint(far * direction), order=0, cval=ground)


def run_in(workspace: Path, *command: object) -> None:
    """Run a module of this repository in the workspace. Raises UserError if it fails."""
    environment = {
        "PETSEG_CACHE": "",  # its own, where the folds' models are looked for
        "DVC_ROOT": str(workspace),
        "MLFLOW_TRACKING_URI": f"sqlite:///{workspace}/mlflow.db",
        "PETSEG_NO_LINK": "1",
        "PYTHONPATH": str(REPOSITORY),
    }
    line = [sys.executable, "-m", *map(str, command)]
    if subprocess.run(line, cwd=workspace, env=os.environ | environment, check=False).returncode:
        raise UserError(f"{' '.join(line)} failed, see above")


def first_ranks(workspace: Path, damaged: dict[str, str]) -> pd.DataFrame:
    """One row a damaged pair: its damage, the kind found, and whether it is among the first.

    The first are as many as are damaged; a column for each ranking.
    """
    suspects = read_suspects(workspace / SUSPECTS).set_index("name")
    scores = pd.DataFrame([*rival_scores(workspace)]).set_index("name")
    scores["ours"] = suspects["score"]
    first = scores.rank(ascending=False, method="first") <= len(damaged)
    table = pd.DataFrame({"name": [*damaged], "damage": [*damaged.values()]}).set_index("name")
    table["known"] = suspects.loc[table.index, "kind"] == table["damage"].map(DAMAGES)
    return table.join(first)


def rival_scores(workspace: Path) -> Iterator[dict[str, Any]]:
    """What else ranks the same predictions: a score a pair, the higher the more suspicious."""
    has_cleanlab = importlib.util.find_spec("cleanlab") is not None
    for names, labels, probabilities in predictions(workspace):
        seen = probabilities.argmax(axis=1)
        known = np.where(labels == IGNORE, seen, labels)  # cleanlab ignores no pixel
        quality = np.full(len(names), np.nan)
        if has_cleanlab:
            from cleanlab.segmentation import rank  # noqa: PLC0415

            options = {"n_jobs": 1, "verbose": False}
            quality, _ = rank.get_label_quality_scores(known, probabilities, **options)
        for place, name in enumerate(names):
            counts = count_pairs(labels[place], seen[place], probabilities.shape[1])
            row = {"name": name, "mIoU": -float(mean_iou(margins(counts)))}
            yield row | ({"cleanlab": -quality[place]} if has_cleanlab else {})


def predictions(
    workspace: Path,
) -> Iterator[tuple[list[str], NDArray[np.int64], NDArray[np.float32]]]:
    """Names, labels (N, S, S) and probabilities (N, C, S, S) of all pairs, by their judges."""
    splits = workspace / SPLITS
    judges = [(workspace / MODELS, splits / "test.csv"), (workspace / MODELS, splits / "val.csv")]
    folds = sorted((workspace / ".cache/labels").glob("*/splits/test.csv"))
    judges += [(file.parents[1], file) for file in folds]
    for models, file in judges if folds else [*judges, (workspace / MODELS, splits / "train.csv")]:
        network, config = load_checkpoint(models)
        segmenter = Segmenter(BothWays(network), config)
        names = read_split(file)["name"].tolist()
        for batch in (names[start : start + BATCH] for start in range(0, len(names), BATCH)):
            data = workspace / PAIRS
            images = [torch.from_numpy(image_of(name, data)) for name in batch]
            masks = [torch.from_numpy(mask_of(name, data)) for name in batch]
            labels = torch.stack([resize_mask(mask, segmenter.size) for mask in masks])
            logits = segmenter.logits([segmenter.prepare(image) for image in images])
            yield batch, labels.long().numpy(), logits.softmax(dim=1).numpy()


def count_found(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """By damage, and in all: how many there are, and the shares found first, and known by kind."""
    found = {}
    for way in (*DAMAGES, "all"):
        rows = table if way == "all" else table[table["damage"] == way]
        if len(rows):
            each: dict[str, float] = {"damaged": len(rows)}
            shares = rows.drop(columns="damage").mean()
            found[way] = each | {str(key): round(float(share), 4) for key, share in shares.items()}
    return found


def table_of(found: dict[str, dict[str, float]]) -> Table:
    rankings = [key for key in found["all"] if key not in ("damaged", "known")]
    told = Table("damage", "pairs", *rankings, "kind known", title="Share among the first")
    for way, each in found.items():
        shares = [f"{each[key]:.2f}" for key in (*rankings, "known")]
        told.add_row(way, str(each["damaged"]), *shares)
    return told


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labels", description=__doc__)
    parser.add_argument("--seeds", type=positive, default=3, help="of the damage (3)")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
