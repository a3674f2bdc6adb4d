"""How rates are measured and reported."""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.table import Table

from pipeline.core.terminal import console, positive, track

Work = Callable[[int], None]  # does so many steps
Samples = dict[str, list[float]]  # by name, one value a round
Ratios = Callable[[dict[str, float]], dict[str, float]]  # of medians by name


class Rate:
    """A repeatable measurement: each call works for a while and returns `amount` per second.

    amount: what one step does, such as a number of images. The first call measures two steps, each
    further one as many as fill `seconds`, judging by the call before; all processes of a run take
    the same number. One step before the measurement is not counted.
    """

    def __init__(self, fabric: Fabric, work: Work, amount: float, seconds: float) -> None:
        self.fabric, self.work, self.amount, self.seconds = fabric, work, amount, seconds
        self.steps = 2

    def __call__(self) -> float:
        self.work(1)
        start = self._clock()
        self.work(self.steps)
        step = (self._clock() - start) / self.steps
        self.steps = self.fabric.broadcast(max(2, round(self.seconds / step)))
        return self.amount / step

    def _clock(self) -> float:
        """The time in seconds, once the device has done all it was asked to do."""
        if self.fabric.device.type == "cuda":
            torch.cuda.synchronize(self.fabric.device)
        return time.perf_counter()


def repeated(step: Callable[[], object]) -> Work:
    def work(steps: int) -> None:
        for _ in range(steps):
            step()

    return work


def measure_in_turn(works: Mapping[str, Callable[[], float]], repeats: int) -> Samples:
    """Call all works in each round, so that a disturbance of the machine meets all of them.

    Every other round goes backwards. The first round warms up and is not kept.
    """
    samples: Samples = {name: [] for name in works}
    with track(range(1 + repeats), "rounds", 1 + repeats) as rounds:
        for number in rounds:
            for name in list(works)[:: -1 if number % 2 else 1]:
                samples[name].append(works[name]())
    return {name: values[1:] for name, values in samples.items()}


def report(title: str, samples: Samples, ratios: Ratios, **facts: Any) -> None:
    """Print all samples as a table, the ratios, and everything as JSON in the last line."""
    table = Table("", "median", "lowest", "highest", title=title)
    for name, values in samples.items():
        numbers = (median(values), min(values), max(values))
        table.add_row(name, *(f"{number:.1f}" for number in numbers))
    console.print(table)
    medians = {name: median(values) for name, values in samples.items()}
    for name, ratio in (found := ratios(medians)).items():
        console.print(f"{name}: {ratio:.2f}")
    print(json.dumps({**facts, "medians": medians, "ratios": found}))


def parse(
    name: str, description: str | None, threads: int, repeats: int, **more: tuple[int | str, str]
) -> argparse.Namespace:
    """Parse the options of the benchmark `name`. more: further ones, as default and help."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--threads", type=positive, default=threads, help=f"default: {threads}")
    parser.add_argument("--repeats", type=positive, help=f"measured rounds ({repeats}; quick: 1)")
    parser.add_argument("--quick", action="store_true", help="short, only to see that it works")
    for option, (default, text) in more.items():
        kind = str if isinstance(default, str) else positive
        parser.add_argument(f"--{option}", type=kind, default=default, help=text)
    arguments = parser.parse_args()
    arguments.repeats = arguments.repeats or (1 if arguments.quick else repeats)
    return arguments
