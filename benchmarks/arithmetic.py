"""What a training step has to calculate, and how fast this machine could calculate it."""

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.rate import Rate
from benchmarks.setting import BATCH, Setting, Training
from pipeline.data.pets import CLASSES
from pipeline.model.unet import UNet

CPU_SIDES = (1024, 2048, 4096)  # rows and columns of the matrices
GPU_SIDES = (4096, 8192, 16384)
QUICK_SIDES = (256, 512)


def flops(network: nn.Module, images: Tensor) -> int:
    """Floating-point operations of one forward and backward pass, two for a multiply-add.

    Counts convolutions and matrix products; the images get no gradient, as in training.
    """
    with FlopCounterMode(display=False) as counter:
        network(images).sum().backward()
    return counter.get_total_flops()


def step_gflop(training: Training) -> float:
    """Of one training step, in units of 10^9; nothing is calculated to find it."""
    size = training.size
    with torch.device("meta"):
        network, images = UNet(training.model, len(CLASSES)), torch.empty(BATCH, 3, size, size)
    return flops(network, images) / 1e9


def matmul_rates(fabric: Fabric, setting: Setting, precision: str) -> dict[str, Rate]:
    """Products of square matrices in the training's number format, in GFLOP/s, by their side."""
    sides = GPU_SIDES if fabric.device.type == "cuda" else CPU_SIDES
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return {
        f"matmul.{side}": _matmul_rate(fabric, side, dtype, setting.seconds)
        for side in (QUICK_SIDES if setting.quick else sides)
    }


def _matmul_rate(fabric: Fabric, side: int, dtype: torch.dtype, seconds: float) -> Rate:
    a, b, product = (torch.randn(side, side, device=fabric.device).to(dtype) for _ in range(3))

    def work(steps: int) -> None:
        for _ in range(steps):
            torch.mm(a, b, out=product)

    return Rate(fabric, work, 2 * side**3 / 1e9, seconds)
