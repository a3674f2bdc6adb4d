"""Search with halving and TPE, beside random search whose trials all train to their end.

Both draw from the same space, on the workspace's data set: run it where `make oxford` has run. It
takes hours; started again after an interruption, it continues.
"""

import argparse
import json
import re
import subprocess
import sys
from typing import Any

from rich.table import Table

from pipeline.core.files import write_json
from pipeline.core.layout import cache_folder
from pipeline.core.terminal import console, positive, run_command

SPACE = {
    "train.lr": {"low": 0.0003, "high": 0.01, "log": True},
    "train.encoder_lr_factor": {"low": 0.05, "high": 1.0, "log": True},
    "train.dice_weight": {"low": 0.0, "high": 2.0},
    "train.augmentation.crop_min_area": {"low": 0.2, "high": 1.0},
    "train.weight_decay": {"low": 0.0001, "high": 0.1, "log": True},
}
WORDS = ("halving", "random")
RANDOM_SEEDS = 1000  # where those of random begin: no trial of one search is in the other
ALLOWED = 0.002  # of mIoU, that halving may miss


def main() -> None:
    arguments = parse_arguments()
    found = []
    for seed in arguments.seeds:
        for word in WORDS:
            names = run_search(f"{word}-{seed}", plan_of(word, seed, arguments))
            found.append({"search": word, "seed": seed, **measured(names)})
    console.print(table_of(found))
    print(json.dumps(found))


def plan_of(word: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """The plan of one of the two searches."""
    settings = {
        "split.train_fraction": arguments.fraction,
        "train.epochs": arguments.epochs,
        "train.threads": 1,
    }
    search = {"space": SPACE, "trials": arguments.trials}
    if word == "random":
        search |= {"sampler": "random", "seed": RANDOM_SEEDS + seed}
    else:
        search |= {"sampler": "tpe", "seed": seed, "rungs": arguments.rungs}
    return {"set": settings, "search": search}


def run_search(name: str, plan: dict[str, Any]) -> list[str]:
    """Run the plan to its end; return the names of its trials, which begin with `name`."""
    file = cache_folder("benchmarks") / f"{name}.yaml"
    write_json(file, plan)  # which is YAML
    console.print(f"{name} ...")
    command = [sys.executable, "-m", "tools.sweep", str(file)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [*dict.fromkeys(re.findall(rf"\b{name}-[0-9a-f]{{7}}\b", output))]


def measured(names: list[str]) -> dict[str, float]:
    """The best validation mIoU of these trials, and the epochs that all of them were trained."""
    from pipeline.records.experiments import experiment_runs, metric_by_epoch  # noqa: PLC0415
    from pipeline.records.store import open_store  # noqa: PLC0415

    store = open_store()
    runs = experiment_runs(store, names[0].rpartition("-")[0])
    scores = [metric_by_epoch(store, runs[name].info.run_id, "val.miou") for name in names]
    best = max(max(each.values()) for each in scores)
    return {"trials": len(names), "epochs": sum(map(len, scores)), "miou": best}


def table_of(found: list[dict[str, Any]]) -> Table:
    """Pairs of rows, halving and random, with the ratio of their epochs and the gap in mIoU."""
    columns = ("seed", "search", "trials", "epochs", "of random's", "val mIoU", "reached")
    table = Table(*columns, box=None)
    for halving, random in zip(found[::2], found[1::2], strict=True):
        for row in (halving, random):
            reached = row["miou"] >= random["miou"] - ALLOWED
            cells = (row["seed"], row["search"], row["trials"], row["epochs"])
            share = f"{row['epochs'] / random['epochs']:.2f}"
            table.add_row(*map(str, cells), share, f"{row['miou']:.4f}", "yes" if reached else "no")
    return table


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of the samplers")
    parser.add_argument("--trials", type=positive, default=24, help="in each search")
    parser.add_argument("--epochs", type=positive, default=9, help="of a whole training")
    parser.add_argument("--rungs", type=positive, nargs="+", default=[1, 3], help="where it pauses")
    parser.add_argument("--fraction", type=float, default=0.25, help="of the training list")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
