"""Measure our training beside the plain one, and beside what the machine could do."""

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from benchmarks.apart import plain_rates, start_plain
from benchmarks.arithmetic import matmul_rates, step_gflop
from benchmarks.ddp import alone_rates, reason_against, together_rates
from benchmarks.ours import our_data, our_training
from benchmarks.rate import Rate, Work
from benchmarks.report import Samples, print_report
from benchmarks.setting import BATCH, SEED, Setting, trainings
from pipeline.core.terminal import console, positive, run_command, track
from pipeline.model.engine import device_name, launch, resolve_precision

Rates = dict[str, Callable[[], float]]


def main() -> None:
    arguments = parse_arguments()
    setting = setting_of(arguments)
    precision = resolve_precision("auto")
    fabric = launch(1, precision, setting.threads, SEED)
    facts = describe(fabric, setting, precision, arguments.repeats)
    if facts["no_ddp"]:
        console.print(f"DDP is not measured: {facts['no_ddp']}")
    ddp = facts["no_ddp"] is None
    rates = build_rates(fabric, setting, precision, ddp=ddp)
    samples = measure(rates, setting, arguments.repeats, ddp=ddp)
    # Not of lite0: torch's counter takes depthwise convolutions for whole ones.
    gflop = {name: step_gflop(setting.trainings[name]) for name in ("reference", "small")}
    sizes = {name: training.size for name, training in setting.trainings.items()}
    print_report(samples, gflop, sizes, facts)


def describe(fabric: Fabric, setting: Setting, precision: str, repeats: int) -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "device": device_name(fabric),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "torch": torch.__version__,
        "pictures": len(setting.names()),
        "batch": BATCH,
        "repeats": repeats,
        "quick": setting.quick,
        "no_ddp": reason_against(fabric),
    }


def build_rates(fabric: Fabric, setting: Setting, precision: str, *, ddp: bool) -> Rates:
    """All that one process measures, by name: in pictures per second, matmul in GFLOP/s."""

    def pictures(work: Work) -> Rate:
        return Rate(fabric, work, BATCH, setting.seconds)

    rates: Rates = {**matmul_rates(fabric, setting, precision)}
    plain = start_plain(fabric, setting)
    for name, training in setting.trainings.items():
        rates |= plain_rates(plain, name)
        rates[f"{name}.ours"] = pictures(our_training(fabric, setting, training)[1])
        size = training.size
        rates[f"data_{size}px"] = pictures(our_data(fabric, setting, size))
    return rates | (alone_rates(fabric, setting) if ddp else {})


def measure(rates: Rates, setting: Setting, repeats: int, *, ddp: bool) -> Samples:
    """Go through all the rates round by round, so that what disturbs the machine meets all.

    The first round warms up, and its numbers are dropped; a quick run has none.
    """
    samples: dict[str, list[float]] = defaultdict(list)
    warming = 0 if setting.quick else 1
    with track(range(warming + repeats), "rounds", warming + repeats) as rounds:
        for number in rounds:
            measured = {name: rate() for name, rate in rates.items()}
            if number < warming:
                continue
            if ddp:
                measured |= together_rates(setting)
            for name, value in measured.items():
                samples[name].append(value)
    return samples


def setting_of(arguments: argparse.Namespace) -> Setting:
    """The setting, with absolute paths: the processes of DDP start in another folder."""
    return Setting(
        pets=arguments.pets.resolve(),
        splits=arguments.splits.resolve(),
        trainings=trainings(arguments.size),
        threads=arguments.threads,
        seconds=0.0 if arguments.quick else 4.0,
        quick=arguments.quick,
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--pets", type=Path, default=Path("data/pets"), help="from extract")
    parser.add_argument("--splits", type=Path, default=Path("data/splits"), help="from split")
    parser.add_argument("--size", type=positive, default=128, help="of the pictures, in pixels")
    parser.add_argument(
        "--threads", type=positive, default=torch.get_num_threads(), help="of torch, on a CPU"
    )
    parser.add_argument("--repeats", type=positive, help="measured rounds (5; quick: 1)")
    parser.add_argument("--quick", action="store_true", help="short, only to see that it works")
    arguments = parser.parse_args()
    arguments.repeats = arguments.repeats or (1 if arguments.quick else 5)
    return arguments


if __name__ == "__main__":
    run_command(main)
