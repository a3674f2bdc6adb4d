"""What the measurements say: ratios of medians, a table of both, one line for programs."""

import json
from collections.abc import Mapping
from statistics import median
from typing import Any

from rich.table import Table

from pipeline.core.terminal import console

Samples = Mapping[str, list[float]]  # rates by name, one a round

MEANING = {
    "ours_to_plain": "our training to the plain one",
    "share_of_matmul": "our training to matrix products",
    "data_to_training": "the data path alone to our training",
    "ddp.share_of_ideal": "two processes to twice one",
    "ddp.to_two_threads": "two processes to one with two threads",
    "ddp.share_of_apart": "two processes to two without exchange",
}


def ratios(
    medians: Mapping[str, float],
    gflop: Mapping[str, float],
    sizes: Mapping[str, int],
    batch: int,
) -> dict[str, float]:
    """All of one run, of medians that are pictures per second, and GFLOP/s for `matmul`.

    By the training's name, sizes are its pictures' in pixels, and gflop is what a step of `batch`
    of them takes, where that is known.
    """
    matmul = max(value for name, value in medians.items() if name.startswith("matmul"))
    found = {}
    for name, size in sizes.items():
        ours = medians[f"{name}.ours"]
        plain = max(medians[f"{name}.plain_0_workers"], medians[f"{name}.plain_2_workers"])
        found[f"{name}.ours_to_plain"] = ours / plain
        if name in gflop:
            found[f"{name}.share_of_matmul"] = ours / batch * gflop[name] / matmul
        found[f"{name}.data_to_training"] = medians[f"data_{size}px"] / ours
    if "ddp.two_processes" in medians:
        two = medians["ddp.two_processes"]
        found["ddp.share_of_ideal"] = two / (2 * medians["ddp.one_process"])
        found["ddp.share_of_apart"] = two / medians["ddp.two_apart"]
    if "ddp.one_with_two_threads" in medians:
        found["ddp.to_two_threads"] = two / medians["ddp.one_with_two_threads"]
    return found


def print_report(
    samples: Samples,
    gflop: Mapping[str, float],
    sizes: Mapping[str, int],
    facts: Mapping[str, Any],
) -> None:
    """The tables, the reasons for what is missing in them, and all as JSON in the last line."""
    medians = {name: median(values) for name, values in samples.items()}
    found = ratios(medians, gflop, sizes, facts["batch"])
    console.print(sample_table("Pictures per second; GFLOP/s of matmul", samples))
    console.print(_ratio_table(found))
    needed = {"sizes": sizes, "gflop_per_step": gflop}
    print(json.dumps({**facts, **needed, "medians": medians, "ratios": found}))


def sample_table(title: str, samples: Samples) -> Table:
    """Median, lowest and highest of all that was measured, one row a name."""
    table = Table(title=title)
    table.add_column("")
    for column in ("median", "lowest", "highest"):
        table.add_column(column, justify="right")
    for name, values in samples.items():
        numbers = (median(values), min(values), max(values))
        table.add_row(name, *(f"{number:.1f}" for number in numbers))
    return table


def _ratio_table(found: Mapping[str, float]) -> Table:
    table = Table(title="Ratios of medians")
    table.add_column("", no_wrap=True)
    table.add_column("ratio", justify="right")
    table.add_column("what")
    for name, value in found.items():
        meaning = MEANING.get(name) or MEANING[name.partition(".")[2]]
        table.add_row(name, f"{value:.2f}", meaning)
    return table
