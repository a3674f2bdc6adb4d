"""Try many settings: run DVC experiments side by side, then rank them by validation score.

A plan is a grid, a list, or a search, which draws settings and trains only the best to the end.

If you interrupt it, the same command resumes the sweep.
"""

import argparse
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.layout import CACHE, cache_folder, cores, workspace_root
from pipeline.core.params import read_section
from pipeline.core.terminal import UserError, positive, run_command, say
from tools.sweeps.jobs import Engine, Job, print_failures, run_jobs
from tools.sweeps.local import Here
from tools.sweeps.plan import Plan, combinations, plan_experiments, read_plan, setting

if TYPE_CHECKING:
    from pipeline.records.store import Store


def main() -> int:
    arguments = parse_arguments()
    from pipeline.records.store import open_store

    plan = complete_plan(arguments)
    word = arguments.plan.stem if arguments.plan else "sweep"
    store = open_store()  # before the first experiment: without a store none could train
    logs = cache_folder("sweeps")
    run = search if "search" in plan else sweep
    jobs = run(plan, word, store, logs, arguments)
    print_failures(jobs.values())
    return 1 if any(job.state == "failed" for job in jobs.values()) else 0


def sweep(
    plan: Plan, word: str, store: "Store", logs: Path, arguments: argparse.Namespace
) -> dict[str, Job]:
    """Run every experiment of a grid or list and rank them; return them as jobs, by name."""
    from tools.sweeps.ranking import differing, print_best, print_ranking, read_results

    experiments = plan_experiments(plan, word)
    jobs = {each.name: Job(each, logs / f"{each.name}.log") for each in experiments}
    engine = open_engine(arguments, plan, logs)
    run_jobs(jobs, partial(ready, jobs, store, word), engine)
    if results := read_results(experiments, store):
        print_ranking(results, differing(experiments))
        print_best(results[0], store)
    return jobs


def ready(jobs: dict[str, Job], store: "Store", word: str) -> list[Job]:
    """The jobs that wait. Raises StoreError while the store, without which none trains, is away."""
    from pipeline.records.experiments import experiment_runs

    waiting = [job for job in jobs.values() if job.state == "waiting"]
    if waiting:
        experiment_runs(store, f"{word}-")
    return waiting


def search(
    plan: Plan, word: str, store: "Store", logs: Path, arguments: argparse.Namespace
) -> dict[str, Job]:
    """Run the trials of a search and rank them; return those run here as jobs, by name."""
    from tools.sweeps.ranking import print_best, print_paused, print_ranking
    from tools.sweeps.search import Trials

    trials = Trials(plan, word, store, logs)
    run_jobs(trials.jobs, trials.candidates, open_engine(arguments, plan, logs))
    if results := trials.results():
        print_ranking(results, [*trials.space], spent="epochs")
        if trials.has_finished():
            print_best(results[0], store)
        print_paused(results, trials.epochs)
    return trials.jobs


def open_engine(arguments: argparse.Namespace, plan: Plan, logs: Path) -> Engine:
    """Where the plan's experiments run, a few at a time."""
    threads = most_threads(plan)
    if arguments.engine:
        from tools.sweeps.cluster import Cluster

        return Cluster(threads)
    workers = arguments.workers or max(1, cores() // threads)
    say(f"{workers} experiments at a time; logs in {logs}")
    slots = workspace_root() / ".cache/slots"  # of this machine's cores; PETSEG_CACHE may be shared
    slots.mkdir(parents=True, exist_ok=True)
    return Here(workers, slots)


def complete_plan(arguments: argparse.Namespace) -> Plan:
    """The plan file, if one is given, with the additions of the command line.

    Raises UserError if there is nothing to try, or if the additions do not fit.
    """
    plan = read_plan(arguments.plan) if arguments.plan else Plan()
    for key, values in arguments.grid:
        if not isinstance(values, list):
            raise UserError(f"--grid {key}={values}: expected a list, e.g. {key}=[1, 2]")
    plan = {**plan, "set": plan.get("set", {}) | dict(arguments.set)}
    if "search" in plan:
        if arguments.grid:
            raise UserError(f"{arguments.plan} is a search: --grid has no place in it")
        shared = Path(os.environ.get(CACHE, "")).is_absolute()
        if arguments.engine and plan["search"].rungs and not shared:
            raise UserError(
                f"{arguments.plan}: search.rungs: paused trials may continue on other nodes:"
                f" set {CACHE} to the path of a folder that all of them see, or leave out the rungs"
            )
        return plan
    grid = plan.get("grid", {}) | dict(arguments.grid)
    if not grid and not plan.get("list"):
        raise UserError("nothing to try: give a plan (experiments/*.yaml) or --grid NAME=[VALUES]")
    return {**plan, "grid": grid}


def most_threads(plan: Plan) -> int:
    """The most threads that one of the plan's experiments trains with; at least 1."""
    base = read_section("train", dict[str, Any]).get("threads")
    threads = [settings.get("train.threads", base) for settings in combinations(plan)]
    # The training refuses anything but a positive whole number.
    return max([1, *(each for each in threads if isinstance(each, int))])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.sweep", description=__doc__)
    parser.add_argument("plan", nargs="?", type=Path, help="YAML file: grid:, list:, search:, set:")
    add = partial(parser.add_argument, action="append", default=[], type=setting)
    each = "try a param with each of these values, in every combination with the others"
    add("--grid", "-g", metavar="NAME=[VALUES]", help=each)
    add("--set", metavar="NAME=VALUE", help="set a param for all")
    parser.add_argument("--engine", choices=["ray"], help="run on the cluster at RAY_ADDRESS")
    workers = "experiments at a time (default: what the cores allow)"
    parser.add_argument("--workers", type=positive, help=workers)
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
