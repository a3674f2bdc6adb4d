"""Where training runs: devices, number format, processes, and what makes results repeatable."""

import ctypes
import logging
import os
import platform
from datetime import timedelta
from typing import TYPE_CHECKING

import torch

from pipeline.core.terminal import UserError
from pipeline.model.settings import Precision

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FABRIC_PRECISION = {"bf16": "bf16-mixed", "fp32": "32-true"}
BF16_CPUS = ("avx512_bf16", "amx_bf16")  # instruction sets that multiply bfloat16 matrices

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h


def prepare_torch(seed: int, threads: int) -> torch.device:
    """Seed torch and pin what its results depend on; return the device to work on.

    The order in which a CPU adds depends on the number of threads, and with it the last bits of
    every weight: equal bytes need an equal number. The process keeps the memory that it frees.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    # Only a warning where a GPU has no such algorithm: it loses the promise, not the training.
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling memory that is about to be overwritten finds bugs, and takes an eighth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # Keep what one batch frees for the next: glibc would return it to the system, which zeroes
    # every page before it hands it out again. That costs a training of the small U-Net a tenth of
    # its time.
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_MAX, 0)  # large tensors come from the heap, like small ones
        library.mallopt(M_TRIM_THRESHOLD, -1)  # and it never shrinks
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def launch(processes: int, precision: str, threads: int, seed: int) -> "Fabric":
    """Start the training's processes, or join those that torchrun started, and prepare torch.

    `precision` is bf16 or fp32; all processes on this machine share `threads`. Under torchrun its
    own number of processes counts, on any number of machines. Raises UserError if there are fewer
    GPUs than processes.
    """
    # Not at the top: evaluate and export only prepare torch, and Fabric takes a second to import.
    from lightning_fabric import Fabric  # noqa: PLC0415
    from lightning_fabric.plugins import environments  # noqa: PLC0415
    from lightning_fabric.strategies import DDPStrategy  # noqa: PLC0415

    # By itself, Fabric would take the number of processes from Slurm's or MPI's variables.
    machines = 1
    environment: type[environments.ClusterEnvironment] = environments.LightningEnvironment
    if torch.distributed.is_torchelastic_launched():
        environment = environments.TorchElasticEnvironment
        processes = int(os.environ["LOCAL_WORLD_SIZE"])
        machines = int(os.environ["WORLD_SIZE"]) // processes
    gpus = torch.cuda.device_count()
    if 0 < gpus < processes:
        raise UserError(f"train.processes: {processes} is more than this machine's {gpus} GPUs")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces each process
    # Batch norm's statistics are shared before validation, not at every step. One process may wait
    # for long, while another decodes its images, or waits for the same training's end; but not for
    # ever for a machine that is gone.
    patience = timedelta(days=30) if machines == 1 else timedelta(hours=6)
    shared = DDPStrategy(forward_sync_buffers=False, timeout=patience)
    fabric = Fabric(
        accelerator="cuda" if gpus else "cpu",
        devices=processes,
        num_nodes=machines,
        strategy=shared if processes * machines > 1 else "auto",
        precision=FABRIC_PRECISION[precision],  # type: ignore[arg-type]
        plugins=environment(),
    )
    fabric.launch()
    assert fabric.world_size == processes * machines
    prepare_torch(seed, max(1, threads // processes))
    return fabric


def resolve_precision(wanted: Precision) -> str:
    """`auto` is bf16 where GPU or processor calculates with it; elsewhere fp32 is faster."""
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    abilities = torch.cpu.get_capabilities()
    return "bf16" if any(abilities.get(name) for name in BF16_CPUS) else "fp32"


def device_name(fabric: "Fabric") -> str:
    on_gpu = fabric.device.type == "cuda"
    return torch.cuda.get_device_name(fabric.device) if on_gpu else "cpu"
