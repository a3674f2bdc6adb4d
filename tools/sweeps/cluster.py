"""Run a sweep's jobs on a Ray cluster, whose nodes may come and go.

Ray decides where an experiment runs, and runs it elsewhere if its node dies. The driver, which is
the sweep's process, sends the code and fetches finished experiments. Everything else goes by the
services that a team shares: data and outputs by DVC's remote or a cache on a shared disk, runs by
the MLflow server, and the state of trainings by the folder in PETSEG_CACHE, if the nodes share one.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.core.git import git_commit, git_identity, path_in_git, run_git, source_patch
from pipeline.core.layout import CACHE
from pipeline.core.terminal import UserError
from pipeline.records.database import configured_uri, database_file
from tools.sweeps import node
from tools.sweeps.jobs import PATIENCE, Job

# The driver's variables that an experiment gets; a node has its own passwords.
SHARED = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", CACHE)


class Cluster:
    """An `Engine`: the cluster at RAY_ADDRESS, or one of this machine alone."""

    def __init__(self, threads: int) -> None:
        """`threads`: how many cores each job is given, beside a GPU if the cluster has some.

        Raises UserError without Ray or a cluster, or if runs would go to a file of this machine.
        """
        if database_file(configured_uri()) is not None:
            remedy = "set MLFLOW_TRACKING_URI to its address (docs/teams.md)"
            raise UserError(f"nodes log to an MLflow server: {remedy}")
        self.ray = connect()
        # By value: the nodes need not have this project, only its packages.
        self.ray.cloudpickle.register_pickle_by_value(node)
        self.source = self.ray.put(pack_source())
        # Ray hides a node's GPUs from tasks that ask for none.
        self.needs = {"CPU": threads, "GPU": min(1, self.ray.cluster_resources().get("GPU", 0))}
        nodes = [each["Resources"] for each in self.ray.nodes() if each["Alive"]]
        fitting = [each for each in nodes if each.get("GPU", 0) >= self.needs["GPU"]]
        most = max((each.get("CPU", 0) for each in fitting), default=0)
        if most < threads:
            text = f"train.threads: {threads} is more than the {most:g} cores of the largest node"
            raise UserError(text)
        needs = {"num_cpus": threads, "num_gpus": self.needs["GPU"]}
        self.task = self.ray.remote(**needs, max_retries=-1)(node.run_experiment)
        self.running: dict[Any, tuple[Job, ExitStack]] = {}

    @contextmanager
    def place(self) -> Iterator[Callable[[Job], bool] | None]:
        there_are = self.ray.cluster_resources()
        places = min(there_are.get(name, 0) // each for name, each in self.needs.items() if each)
        yield self.start if len(self.running) < places else None

    def start(self, job: Job) -> bool:
        """Start the job unless it is done or running; its lock is held until it ends."""
        held = ExitStack()
        if held.enter_context(job.claim()) is None:
            held.close()
            return False
        shared = {name: os.environ[name] for name in SHARED if name in os.environ}
        environment = {**shared, **git_identity(), **job.environment}
        task = self.task.remote(self.source, job.experiment.name, job.options, environment)
        self.running[task] = (job, held)
        job.begin()
        return True

    def poll(self) -> None:
        ended, _ = self.ray.wait([*self.running], timeout=0) if self.running else ([], [])
        for task in ended:
            job, held = self.running.pop(task)
            with held:
                self._collect(job, task)

    def stop(self) -> None:
        for task in self.running:
            self.ray.cancel(task)
        self.ray.wait([*self.running], num_returns=len(self.running), timeout=PATIENCE)
        self.ray.shutdown()

    def _collect(self, job: Job, task: Any) -> None:
        """Keep the job's log, and fetch its experiment, if it is finished."""
        try:
            outcome = self.ray.get(task)
        except self.ray.exceptions.RayError as error:
            outcome = node.Outcome(1, str(error).encode())
        job.log.write_bytes(outcome.log)
        if outcome.bundle:
            with TemporaryDirectory() as folder:
                file = Path(folder, "bundle")
                file.write_bytes(outcome.bundle)
                run_git(Path(), "fetch", "--quiet", str(file), "refs/exps/*:refs/exps/*")
        job.end(failed=outcome.status != 0)


def connect() -> Any:
    """Ray's package, connected to the cluster."""
    try:
        import ray
    except ModuleNotFoundError:
        raise UserError("the engine ray is not installed: make install-ray") from None
    try:
        ray.init(log_to_driver=False, include_dashboard=False, logging_level=logging.WARNING)
    except ConnectionError as error:
        raise UserError(f"RAY_ADDRESS={os.environ.get('RAY_ADDRESS')}: {error}") from None
    return ray


def pack_source() -> node.Source:
    """The workspace's code and params, as a node unpacks them."""
    here = Path()
    return node.Source(
        run_git(here, "bundle", "create", "--quiet", "-", "HEAD"),
        git_commit(here),
        source_patch(here, (".",)) or b"",
        str(path_in_git(here)),
    )
