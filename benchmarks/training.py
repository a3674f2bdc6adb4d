"""Measure our training beside the plain one, and beside the rate of matrix products."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import Rate, measure_in_turn, parse, repeated, report
from benchmarks.ours import (
    BATCH,
    SEED,
    Training,
    class_number,
    our_batches,
    our_training,
    train_names,
    trainings,
)
from benchmarks.plain import plain_rates
from pipeline.core.terminal import run_command
from pipeline.model.engine import device_name, launch, resolve_precision
from pipeline.model.unet import UNet

SIDES = {"cpu": (1024, 2048, 4096), "cuda": (4096, 8192, 16384)}  # of the matrices
QUICK_SIDES = (256, 512)


def main() -> None:
    size = (128, "side of the images in pixels (128)")
    arguments = parse("training", __doc__, torch.get_num_threads(), 5, size=size)
    seconds = 0.0 if arguments.quick else 4.0
    precision = resolve_precision("auto")
    fabric = launch(1, precision, arguments.threads, SEED)
    chosen, images = trainings(arguments.size), len(train_names())
    sides = QUICK_SIDES if arguments.quick else SIDES[fabric.device.type]
    works: dict[str, Callable[[], float]] = {
        **{f"matmul.{side}": matmul_rate(fabric, side, precision, seconds) for side in sides},
        **plain_rates(fabric, chosen, arguments.threads, seconds),
        **our_rates(fabric, chosen, seconds),
    }
    samples = measure_in_turn(works, arguments.repeats)
    # Not for lite0: torch's counter takes depthwise convolutions for whole ones.
    gflop = {name: step_gflop(chosen[name], class_number()) for name in ("reference", "small")}
    sizes = {name: training.size for name, training in chosen.items()}
    found = partial(ratios, gflop=gflop, sizes=sizes)
    facts = {**vars(arguments), "images": images, "sizes": sizes, "gflop_per_step": gflop}
    facts |= {"device": device_name(fabric), "precision": precision, "torch": torch.__version__}
    report("Images per second; GFLOP/s of matmul", samples, found, **facts)


def our_rates(fabric: Fabric, chosen: Mapping[str, Training], seconds: float) -> dict[str, Rate]:
    """Images per second of our trainings, and of the data path alone at each of their sizes."""
    works = {f"{name}.ours": our_training(fabric, each) for name, each in chosen.items()}
    for size in {each.size for each in chosen.values()}:
        works[f"data_{size}px"] = repeated(partial(next, our_batches(fabric, size)))
    return {name: Rate(fabric, work, BATCH, seconds) for name, work in works.items()}


def matmul_rate(fabric: Fabric, side: int, precision: str, seconds: float) -> Rate:
    """Products of square matrices in the training's number format, in GFLOP/s."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b, product = (torch.randn(side, side, device=fabric.device).to(dtype) for _ in range(3))
    work = repeated(partial(torch.mm, a, b, out=product))
    return Rate(fabric, work, 2 * side**3 / 1e9, seconds)


def step_gflop(training: Training, classes: int) -> float:
    """Floating-point operations of one training step, in units of 10^9, found without computing."""
    size = training.size
    with torch.device("meta"):
        network, images = UNet(training.model, classes), torch.empty(BATCH, 3, size, size)
    return flops(network, images) / 1e9


def flops(network: nn.Module, images: Tensor) -> int:
    """Floating-point operations of one forward and backward pass; a multiply-add counts as two.

    Counts convolutions and matrix products; the images get no gradient, as in training.
    """
    with FlopCounterMode(display=False) as counter:
        network(images).sum().backward()
    return counter.get_total_flops()


def ratios(
    medians: Mapping[str, float], gflop: Mapping[str, float], sizes: Mapping[str, int]
) -> dict[str, float]:
    """Compare the medians: images per second, and GFLOP/s for `matmul`.

    By the training's name, `sizes` are the images' in pixels, and `gflop` is what a step of BATCH
    images takes, where that is known.
    """
    matmul = max(value for name, value in medians.items() if name.startswith("matmul"))
    found = {}
    for name, size in sizes.items():
        ours = medians[f"{name}.ours"]
        plain = max(value for key, value in medians.items() if key.startswith(f"{name}.plain"))
        found[f"{name}.ours_to_plain"] = ours / plain
        if name in gflop:
            found[f"{name}.share_of_matmul"] = ours / BATCH * gflop[name] / matmul
        found[f"{name}.data_to_training"] = medians[f"data_{size}px"] / ours
    return found


if __name__ == "__main__":
    run_command(main)
