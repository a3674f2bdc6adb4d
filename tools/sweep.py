"""Try many settings: run DVC experiments side by side, then rank them by validation score.

If you interrupt it, the same command resumes the sweep.
"""

import argparse
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.core.layout import cache_folder
from pipeline.core.params import read_section
from pipeline.core.terminal import UserError, run_command
from tools.sweeps.plan import Experiment, Plan, plan_experiments, read_plan, setting
from tools.sweeps.run import Job, print_failures, run_jobs


def main() -> int:
    arguments = parse_arguments()
    from pipeline.records.store import open_store
    from tools.sweeps.ranking import differing, print_ranking, read_results

    plan = complete_plan(arguments)
    experiments = plan_experiments(plan, arguments.plan.stem if arguments.plan else "sweep")
    workers = arguments.workers or default_workers(experiments)
    store = open_store()  # before the first experiment: without a store none could train
    logs = cache_folder("sweeps")
    jobs = [Job(each, logs / f"{each.name}.log") for each in experiments]
    run_jobs(jobs, workers)
    print_ranking(read_results(experiments, store), differing(experiments), store)
    print_failures(jobs)
    return 1 if any(job.state == "failed" for job in jobs) else 0


def complete_plan(arguments: argparse.Namespace) -> Plan:
    """The plan file, if one is given, with the additions of the command line.

    Raises UserError if there is nothing to try, or a grid's values are no list.
    """
    plan = read_plan(arguments.plan) if arguments.plan else Plan()
    for key, values in arguments.grid:
        if not isinstance(values, list):
            raise UserError(f"--grid {key}={values}: expected a list, e.g. {key}=[1, 2]")
    grid = plan.get("grid", {}) | dict(arguments.grid)
    if not grid and not plan.get("list"):
        raise UserError("nothing to try: give a plan (experiments/*.yaml) or --grid NAME=[VALUES]")
    return {**plan, "grid": grid, "set": plan.get("set", {}) | dict(arguments.set)}


def default_workers(experiments: Iterable[Experiment]) -> int:
    """How many trainings can run at a time with a core for each of their threads; at least 1."""
    base = read_section("train", dict[str, Any])["threads"]
    threads = [each.settings.get("train.threads", base) for each in experiments]
    # The training refuses anything but a positive whole number.
    most = max((each for each in threads if isinstance(each, int)), default=1)
    return max(1, (os.cpu_count() or 1) // max(1, most))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.sweep", description=__doc__)
    parser.add_argument("plan", nargs="?", type=Path, help="YAML file with grid:, list:, set:")
    add = partial(parser.add_argument, action="append", default=[], type=setting)
    each = "try a param with each of these values, in every combination with the others"
    add("--grid", "-g", metavar="NAME=[VALUES]", help=each)
    add("--set", metavar="NAME=VALUE", help="set a param for all")
    parser.add_argument("--workers", type=int, help="at a time (default: what the cores allow)")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
