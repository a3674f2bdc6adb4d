"""Measure the evaluation, with everything it counts, beside the network's forward pass alone."""

import argparse
import json
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import torch

from benchmarks.rate import Rate, Work
from benchmarks.report import sample_table
from pipeline.core.terminal import console, positive, run_command, track
from pipeline.data.images import load_image
from pipeline.data.pets import image_path
from pipeline.data.splits import read_split
from pipeline.model.checkpoint import load_checkpoint
from pipeline.model.engine import launch
from pipeline.scoring.measure import evaluate_images
from pipeline.scoring.segmenter import Segmenter

BATCH = 16  # pictures, as in params.yaml
HELD = 256  # pictures that wait in memory, ready for the network, on the forward side


def main() -> None:
    arguments = parse_arguments()
    fabric = launch(1, "fp32", arguments.threads, seed=0)
    segmenter = Segmenter(*load_checkpoint(arguments.models)).to(fabric.device)
    names = read_split(arguments.splits / "test.csv")["name"].tolist()
    works = {
        "forward": forward_alone(segmenter, arguments.pets, names[:HELD]),
        "evaluation": whole_evaluation(segmenter, arguments.pets, names),
    }
    rates = {name: Rate(fabric, work, BATCH, arguments.seconds) for name, work in works.items()}
    samples: dict[str, list[float]] = {name: [] for name in rates}
    with track(range(1 + arguments.repeats), "rounds", 1 + arguments.repeats) as rounds:
        for number in rounds:
            for name, rate in rates.items():
                measured = quietly(rate)
                if number > 0:  # the first one warms up
                    samples[name].append(measured)
    medians = {name: median(values) for name, values in samples.items()}
    cost = medians["forward"] / medians["evaluation"]
    console.print(sample_table("Pictures per second", samples))
    console.print(f"evaluating costs {cost:.2f} times the forward pass alone")
    facts = {"threads": torch.get_num_threads(), "repeats": arguments.repeats}
    print(json.dumps({**facts, "medians": medians, "cost": cost}))


def forward_alone(segmenter: Segmenter, pets: Path, names: list[str]) -> Work:
    """The network on batches that are ready."""
    prepared = [
        segmenter.prepare(torch.from_numpy(load_image(image_path(pets, name))).to(segmenter.device))
        for name in names
    ]
    endless = cycle(prepared)

    def work(steps: int) -> None:
        for _ in range(steps):
            segmenter.logits(list(islice(endless, BATCH)))

    return work


def whole_evaluation(segmenter: Segmenter, pets: Path, names: list[str]) -> Work:
    """From the files to the counts; tables, pictures and start-up are left out."""
    endless = cycle(names)

    def work(steps: int) -> None:
        evaluate_images(segmenter, pets, list(islice(endless, steps * BATCH)), BATCH)

    return work


def quietly(rate: Rate) -> float:
    """Without the progress bars of what is measured."""
    console.quiet = True
    try:
        return rate()
    finally:
        console.quiet = False


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluating", description=__doc__)
    parser.add_argument("--pets", type=Path, default=Path("data/pets"), help="from extract")
    parser.add_argument("--splits", type=Path, default=Path("data/splits"), help="from split")
    parser.add_argument("--models", type=Path, default=Path("models"), help="from train")
    parser.add_argument(
        "--threads", type=positive, default=torch.get_num_threads(), help="of torch"
    )
    parser.add_argument("--repeats", type=positive, default=5, help="measured rounds (5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of one measurement, about (4)")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
