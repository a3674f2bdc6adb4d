"""Where training runs: devices, number format and processes, by Lightning Fabric."""

import logging
import os
from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from pipeline.core.terminal import UserError
from pipeline.model.device import prepare_torch

Precision = Literal["auto", "bf16", "fp32"]
FABRIC_PRECISION = {"bf16": "bf16-mixed", "fp32": "32-true"}
BF16_CPUS = ("avx512_bf16", "amx_bf16")  # instruction sets that multiply bfloat16 matrices


def launch(processes: int, precision: str, threads: int, seed: int) -> Fabric:
    """Start the training's processes, or join those that torchrun started, and prepare torch.

    `precision` is bf16 or fp32, `threads` what all processes on this machine have together. Under
    torchrun the number of processes is its own, on any number of machines. Raises UserError if
    there are fewer GPUs than processes.
    """
    machines = 1
    if torch.distributed.is_torchelastic_launched():
        processes = int(os.environ["LOCAL_WORLD_SIZE"])
        machines = int(os.environ["WORLD_SIZE"]) // processes
    gpus = torch.cuda.device_count()
    if 0 < gpus < processes:
        raise UserError(f"train.processes: {processes} is more than this machine's {gpus} GPUs")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it introduces each process
    fabric = Fabric(
        accelerator="cuda" if gpus else "cpu",
        devices=processes,
        num_nodes=machines,
        # Batch norm's statistics are shared before validation, not at every step.
        strategy=DDPStrategy(forward_sync_buffers=False) if processes * machines > 1 else "auto",
        precision=FABRIC_PRECISION[precision],  # type: ignore[arg-type]
    )
    fabric.launch()
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


def device_name(fabric: Fabric) -> str:
    """`cpu`, or what the GPU calls itself."""
    on_gpu = fabric.device.type == "cuda"
    return torch.cuda.get_device_name(fabric.device) if on_gpu else "cpu"
