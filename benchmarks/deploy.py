"""Measure the workspace's exported models beside eager PyTorch: one photograph at a time."""

from collections.abc import Callable, Mapping
from functools import partial
from timeit import timeit

import numpy as np
import onnxruntime
import torch

from benchmarks.measure import measure_in_turn, parse, report
from benchmarks.ours import SEED
from pipeline.core.layout import MODELS, ONNX, cores, int8_beside
from pipeline.core.terminal import run_command
from pipeline.deploy.predictor import Predictor
from pipeline.model.checkpoint import load_checkpoint
from pipeline.model.engine import prepare_torch
from pipeline.scoring.segmenter import Segmenter


def main() -> None:
    size = (256, "side of the photograph in pixels")
    arguments = parse("deploy", __doc__, cores(), 20, size=size)
    prepare_torch(SEED, arguments.threads)
    segmenter = Segmenter(*load_checkpoint(MODELS)).eval()
    # Of noise: no time depends on the content.
    shape = (arguments.size, arguments.size, 3)
    photograph = np.random.default_rng(SEED).integers(0, 256, shape, dtype=np.uint8)
    works = {"eager": partial(segmenter.segment, photograph)} | {
        name: partial(Predictor(file, arguments.threads), photograph)
        for name, file in {"fp32": ONNX, "int8": int8_beside(ONNX)}.items()
    }
    timed = {name: partial(milliseconds, work) for name, work in works.items()}
    facts = {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__}
    samples = measure_in_turn(timed, arguments.repeats)
    report("Milliseconds for one photograph", samples, ratios, **vars(arguments), **facts)


def ratios(medians: Mapping[str, float]) -> dict[str, float]:
    """How many times faster than PyTorch each file is."""
    return {f"{name}_to_eager": medians["eager"] / medians[name] for name in ("fp32", "int8")}


def milliseconds(work: Callable[[], object]) -> float:
    return timeit(work, number=1) * 1000


if __name__ == "__main__":
    run_command(main)
