"""Measure each stage, and DVC beside them, on more and more pictures: time and memory."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from rich.table import Table

from benchmarks.cost import Cost, measure
from benchmarks.drawn import draw_archives
from pipeline.core.terminal import console, positive, run_command

REPOSITORY = Path(__file__).resolve().parents[1]
SIZE = 32  # of the network's pictures, in pixels
PARAMS = {  # over those of the repository
    "model": {"features": [4, 8]},
    "train": {"epochs": 1, "batch_size": 32, "image_size": SIZE},
    "export": {"max_disagreement": 1.0},  # of so small a network near ties are many
}
PETS, SPLITS, MODEL = "data/pets", "data/splits", "models/model.onnx"
SCORES, PLOTS = "metrics/evaluate.json", "metrics/plots"
EXTRACT = f"-m stages.extract data/raw {PETS} metrics/extract.json"
STEPS = {  # in this order; arguments of python
    "extract": EXTRACT,
    "dvc commit": "-m dvc commit --quiet --force",
    "dvc status": "-m dvc status --quiet",
    "split": f"-m stages.split {PETS}/index.csv {SPLITS} metrics/split.json",
    "near-duplicates": f"-m benchmarks.searching {PETS}/index.csv",
    "cache": f"-m benchmarks.decoding {PETS} {SPLITS} {SIZE}",
    "train": f"-m stages.train {PETS} {SPLITS} models metrics/train.json {PLOTS}/train",
    "evaluate": f"-m stages.evaluate {PETS} {SPLITS} models {SCORES} metrics/tables {PLOTS}/test",
    "dvc checkout": "-m dvc checkout --quiet",
    "export": f"-m stages.export {PETS} {SPLITS} models {SCORES} {MODEL} metrics/export.json",
    "dvc push": "-m dvc push --quiet",
}
DVC_LOCAL = """\
[core]
    no_scm = true
    remote = store
['remote "store"']
    url = ../remote
"""
REMOVED = {"dvc checkout": PETS}  # before the step: what it shall bring back

Costs = dict[str, Cost]  # by step


def main() -> None:
    arguments = parse_arguments()
    costs = {}
    for images in arguments.images:
        with TemporaryDirectory(dir=arguments.workdir, prefix="scale-") as folder:
            prepare(Path(folder), images)
            costs[images] = dict(run(Path(folder), images))
    console.print(time_table(costs, "Seconds", "seconds"))
    console.print(time_table(costs, "Seconds of the processor", "processor"))
    console.print(memory_table(costs))
    print(json.dumps({"cores": os.cpu_count(), "costs": as_json(costs)}))


def prepare(workspace: Path, images: int) -> None:
    """A workspace with archives and params, in which DVC keeps what extract writes."""
    with console.status(f"drawing {images:,} pictures"):
        draw_archives(workspace / "data/raw", images)
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    for section, values in PARAMS.items():
        params[section] |= values
    (workspace / "params.yaml").write_text(yaml.safe_dump(params))
    stage = {"cmd": f"python {EXTRACT}", "deps": ["data/raw"], "outs": [PETS]}
    (workspace / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"extract": stage}}))
    (workspace / ".dvc").mkdir()
    shutil.copy(REPOSITORY / ".dvc/config", workspace / ".dvc/config")
    (workspace / ".dvc/config.local").write_text(DVC_LOCAL)


def run(workspace: Path, images: int) -> Iterator[tuple[str, Cost]]:
    """Take the steps one after the other; yield what each costs."""
    for step, command in STEPS.items():
        if step in REMOVED:
            shutil.rmtree(workspace / REMOVED[step])
        cost = measure([sys.executable, *command.split()], workspace, environment(workspace))
        console.print(f"{images:,} {step}: {cost.seconds:.1f} s, {cost.megabytes:.0f} MB")
        yield step, cost


def environment(workspace: Path) -> dict[str, str]:
    """The caller's, but for the folders that code and state are in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return kept | {"PYTHONPATH": str(REPOSITORY), "DVC_ROOT": str(workspace)}


def time_table(costs: dict[int, Costs], title: str, kind: str) -> Table:
    """Seconds, and what each further thousand pictures takes: where start-up counts no more."""
    table = _table(title, costs)
    for less in list(costs)[:-1]:
        table.add_column(f"per 1,000 above {less:,}", justify="right")
    for step in STEPS:
        seconds = {images: getattr(cost[step], kind) for images, cost in costs.items()}
        further = [f"{slope(seconds, *pair):.2f}" for pair in pairwise(seconds)]
        table.add_row(step, *(f"{taken:.1f}" for taken in seconds.values()), *further)
    return table


def slope(seconds: dict[int, float], less: int, more: int) -> float:
    """Seconds for each thousand pictures by which the larger number is larger."""
    return (seconds[more] - seconds[less]) / (more - less) * 1000


def memory_table(costs: dict[int, Costs]) -> Table:
    """Peaks, and how many times that of the number before each is."""
    table = _table("Megabytes at the peak", costs)
    for less, more in pairwise(costs):
        table.add_column(f"{more:,} to {less:,}", justify="right")
    for step in STEPS:
        peaks = [cost[step].megabytes for cost in costs.values()]
        times = [f"{more / less:.2f}" for less, more in pairwise(peaks)]
        table.add_row(step, *(f"{peak:.0f}" for peak in peaks), *times)
    return table


def _table(title: str, costs: dict[int, Costs]) -> Table:
    table = Table(title=title)
    table.add_column("", no_wrap=True)
    for images in costs:
        table.add_column(f"{images:,}", justify="right")
    return table


def as_json(costs: dict[int, Costs]) -> dict[int, dict[str, dict[str, float]]]:
    return {
        images: {step: vars(cost) for step, cost in steps.items()}
        for images, steps in costs.items()
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--images", type=positive, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--workdir", type=Path, help="for the pictures: 40 kB each are needed")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
