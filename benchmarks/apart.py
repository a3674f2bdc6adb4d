"""The plain side in a process of its own, where nothing is set that ours sets for a whole one."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context, get_start_method, set_start_method

import torch
from lightning_fabric import Fabric

from benchmarks.plain import plain_training
from benchmarks.rate import Rate
from benchmarks.setting import BATCH, SEED, Setting

WORKERS = (0, 2)  # of the data loader; the faster counts

_rates: dict[str, Rate] = {}  # in that process


def start_plain(fabric: Fabric, setting: Setting) -> ProcessPoolExecutor:
    """The process, on the same kind of device; it ends with this one."""
    arguments = (setting, fabric.device.type, get_start_method())
    return ProcessPoolExecutor(1, get_context("spawn"), _prepare, arguments)


def plain_rates(process: ProcessPoolExecutor, training: str) -> dict[str, Callable[[], float]]:
    """Pictures per second by name; calling one measures it there, while this process waits."""
    names = (f"{training}.plain_{workers}_workers" for workers in WORKERS)
    return {name: partial(_measure_there, process, name) for name in names}


def _measure_there(process: ProcessPoolExecutor, name: str) -> float:
    return process.submit(_measure, name).result()


def _prepare(setting: Setting, device: str, start_method: str) -> None:
    set_start_method(start_method, force=True)  # of the loaders' processes: not this one's
    torch.manual_seed(SEED)
    torch.set_num_threads(setting.threads)
    fabric = Fabric(accelerator=device, devices=1)
    for name, training in setting.trainings.items():
        for workers in WORKERS:
            work = plain_training(setting, training, fabric.device, workers)
            _rates[f"{name}.plain_{workers}_workers"] = Rate(fabric, work, BATCH, setting.seconds)


def _measure(name: str) -> float:
    return _rates[name]()
