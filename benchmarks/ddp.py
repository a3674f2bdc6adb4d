"""The small U-Net trained by two processes that share each batch (DDP), with a thread each.

Run by itself, under torchrun, it is one of the two.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from lightning_fabric import Fabric
from pydantic import TypeAdapter

from benchmarks.ours import our_training
from benchmarks.rate import Rate, Work
from benchmarks.setting import BATCH, SEED, Setting
from pipeline.core.terminal import UserError, console
from pipeline.deploy.predictor import cores
from pipeline.model.engine import launch, resolve_precision

PROCESSES = 2


def main() -> None:
    """Print the rates of both processes together, in pictures per second."""
    setting = TypeAdapter(Setting).validate_json(sys.argv[1])
    fabric = launch(PROCESSES, resolve_precision("auto"), PROCESSES, SEED)
    console.quiet = True
    learner, together = our_training(fabric, setting, setting.trainings["small"])

    def apart(steps: int) -> None:
        with fabric.no_backward_sync(learner.model):  # type: ignore[arg-type]
            together(steps)

    rates = {
        "ddp.two_processes": Rate(fabric, together, BATCH, setting.seconds),
        "ddp.two_apart": Rate(fabric, apart, BATCH, setting.seconds),
    }
    for rate in rates.values():  # warms up
        rate()
    measured = {name: rate() for name, rate in rates.items()}
    if fabric.is_global_zero:
        print(json.dumps(measured))


def reason_against(fabric: Fabric) -> str | None:
    """Why two processes cannot be measured here."""
    if fabric.device.type == "cuda":
        found, what = torch.cuda.device_count(), "GPUs"
    else:
        found, what = cores(), "cores"
    return f"{found} of {PROCESSES} {what} that it takes" if found < PROCESSES else None


def alone_rates(fabric: Fabric, setting: Setting) -> dict[str, Rate]:
    """One process to compare with, in pictures per second: with the one thread that each of the two
    has; on a CPU also with two.
    """
    work = our_training(fabric, setting, setting.trainings["small"])[1]
    threads = {"ddp.one_process": 1}
    if fabric.device.type == "cpu":
        threads["ddp.one_with_two_threads"] = PROCESSES
    return {
        name: Rate(fabric, _with_threads(number, work), BATCH, setting.seconds)
        for name, number in threads.items()
    }


def together_rates(setting: Setting) -> dict[str, float]:
    """Start the two processes and wait for what they measure."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    described = TypeAdapter(Setting).dump_json(setting).decode()
    worker = [f"--nproc-per-node={PROCESSES}", "-m", "benchmarks.ddp", described]
    finished = subprocess.run(
        [*torchrun, *worker],
        check=False,
        cwd=Path(__file__).resolve().parents[1],  # where Python finds the package
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if finished.returncode != 0:
        raise UserError(f"the two processes of DDP failed:\n{finished.stderr}")
    return json.loads(finished.stdout.splitlines()[-1])


def _with_threads(threads: int, work: Work) -> Work:
    def limited(steps: int) -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        work(steps)
        torch.set_num_threads(before)

    return limited


if __name__ == "__main__":
    main()
