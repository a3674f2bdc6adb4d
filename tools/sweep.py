"""Try many settings: DVC experiments, run by several workers, ranked by validation score.

Interrupted, it goes on when the same command runs again.
"""

import argparse
import os
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.core.layout import workspace_root
from pipeline.core.params import ParamsError, read_section
from pipeline.core.terminal import UserError, console, run_command
from pipeline.records.store import open_store
from tools.experiments import split_setting
from tools.sweeps.display import Board, print_failures, print_ranking
from tools.sweeps.plan import Experiment, Plan, plan_experiments, read_plan
from tools.sweeps.ranking import read_results
from tools.sweeps.workers import Job, Workers

POLL = 0.5  # seconds
THREADS = "train.threads"


def main() -> int:
    arguments = parse_arguments()
    plan = complete_plan(arguments)
    experiments = plan_experiments(plan, arguments.plan.stem if arguments.plan else "sweep")
    workers = arguments.workers or fitting_workers(experiments)
    store = open_store()  # before the first experiment: without it none would start
    logs = workspace_root() / ".cache" / "sweeps"
    logs.mkdir(parents=True, exist_ok=True)
    jobs = [Job(each, logs / f"{each.name}.log") for each in experiments]
    run_jobs(jobs, workers)
    print_ranking(read_results(experiments, store), experiments, store)
    print_failures(jobs)
    return 1 if any(job.state == "failed" for job in jobs) else 0


def complete_plan(arguments: argparse.Namespace) -> Plan:
    """The plan of the file, if there is one, and what the command line adds to it.

    Raises UserError if there is nothing to try.
    """
    plan = read_plan(arguments.plan) if arguments.plan else Plan()
    grid = {**plan.grid, **dict(split_values(each) for each in arguments.grid)}
    if not grid and not plan.entries:
        raise UserError("nothing to try: give a plan (experiments/*.yaml) or --grid NAME=[VALUES]")
    shared = {**plan.shared, **dict(split_setting(each) for each in arguments.set)}
    return replace(plan, grid=grid, shared=shared)


def split_values(setting: str) -> tuple[str, list[Any]]:
    """`train.lr=[0.1, 0.2]` as key and values. Raises UserError if they are no list."""
    key, values = split_setting(setting, "--grid")
    if not isinstance(values, list):
        raise UserError(f"--grid {setting}: expected a list of values, e.g. {key}=[1, 2]")
    return key, values


def fitting_workers(experiments: Iterable[Experiment]) -> int:
    """As many trainings at a time as have a core for each of their threads."""
    return max(1, (os.cpu_count() or 1) // most_threads(experiments))


def most_threads(experiments: Iterable[Experiment]) -> int:
    base = read_section("train", dict[str, Any])["threads"]
    found: list[Any] = [each.settings.get(THREADS, base) for each in experiments]
    if wrong := [each for each in found if not isinstance(each, int) or each < 1]:
        raise ParamsError(f"{THREADS}: expected a positive whole number, found {wrong[0]!r}")
    return max(found)


def run_jobs(jobs: Sequence[Job], workers: int) -> None:
    """Run the jobs and show how far they are; on Ctrl-C, or a signal to end, stop them all."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    console.print(f"{len(jobs)} experiments, {workers} at a time; logs in {jobs[0].log.parent}")
    crew, board = Workers(jobs, workers), Board(jobs)
    try:
        with board.bars:
            while not crew.finished():
                time.sleep(POLL)
                board.update()
    except KeyboardInterrupt:
        console.print("Stopping: what runs keeps its last whole epoch ...")
        crew.stop()
        console.print("Stopped. The same command goes on where this one ended.")
        raise


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.sweep", description=__doc__)
    parser.add_argument("plan", nargs="?", type=Path, help="YAML file with grid:, list:, set:")
    parser.add_argument(
        *("--grid", "-g"), action="append", default=[], metavar="NAME=[VALUES]",
        help="a param to try with each of these values, and with each of the others'",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a param for all"
    )
    parser.add_argument(
        "--workers", type=int, help="experiments at a time (default: what the cores can take)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
