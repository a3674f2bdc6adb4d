"""Measure the exported models in ONNX Runtime beside eager PyTorch: one photograph at a time."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from timeit import timeit

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from benchmarks.measure import Samples, measure_in_turn, parse, report
from benchmarks.ours import LITE0, REFERENCE, SEED
from pipeline.core.layout import cores
from pipeline.core.terminal import run_command
from pipeline.data.classes import Class, Classes, to_metadata
from pipeline.data.colours import UNNAMED
from pipeline.data.settings import Normalisation
from pipeline.deploy.int8 import export_int8
from pipeline.deploy.onnx_export import export_onnx
from pipeline.deploy.predictor import Predictor
from pipeline.model.engine import prepare_torch
from pipeline.model.settings import ModelConfig, ModelParams
from pipeline.model.unet import UNet
from pipeline.scoring.segmenter import Segmenter

CLASSES = Classes("noise", tuple(Class(name, UNNAMED) for name in ("one", "two", "three")))
FILES = ("fp32", "int8")
NETWORKS = {"reference": REFERENCE, "lite0": LITE0}


def main() -> None:
    size = (256, "side of photograph and network in pixels")
    arguments = parse("deploy", __doc__, cores(), 20, size=size)
    prepare_torch(SEED, arguments.threads)
    samples: Samples = {}
    sizes: dict[str, int] = {}
    for name, params in NETWORKS.items():
        with TemporaryDirectory() as folder:
            segmenter = build(params, arguments.size)
            files = {side: Path(folder) / f"{side}.onnx" for side in FILES}
            export(segmenter, files)
            sizes |= {f"{name}.{side}": file.stat().st_size for side, file in files.items()}
            works = {
                side: partial(milliseconds, work)
                for side, work in sides(segmenter, files, arguments.threads).items()
            }
            taken = measure_in_turn(works, arguments.repeats)
            samples |= {f"{name}.{side}": times for side, times in taken.items()}
    facts = {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__, "bytes": sizes}
    found = partial(ratios, sizes=sizes)
    report("Milliseconds for one photograph", samples, found, **vars(arguments), **facts)


def build(params: ModelParams, size: int) -> Segmenter:
    """A network with random weights: no time depends on them."""
    config = ModelConfig(params, CLASSES, size, Normalisation())
    return Segmenter(UNet(params, len(CLASSES)), config).eval()


def export(segmenter: Segmenter, files: Mapping[str, Path]) -> None:
    export_onnx(files["fp32"], segmenter, to_metadata(CLASSES))
    # Calibrated on noise, like the timed image: no time depends on the content.
    export_int8(files["int8"], files["fp32"], (noise(segmenter.size, seed) for seed in range(4)))


def sides(
    segmenter: Segmenter, files: Mapping[str, Path], threads: int
) -> dict[str, Callable[[], object]]:
    """Functions that label the same photograph: PyTorch, as the stages call it, and the files."""
    photograph = noise(segmenter.size, SEED)
    eager = partial(segmenter.segment, [torch.from_numpy(photograph)])
    predictors = {side: Predictor(file, threads) for side, file in files.items()}
    return {"eager": eager} | {side: partial(predictors[side], photograph) for side in files}


def noise(size: int, seed: int) -> NDArray[np.uint8]:
    """A photograph of noise (size, size, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def ratios(medians: Mapping[str, float], sizes: Mapping[str, int]) -> dict[str, float]:
    """How many times faster than PyTorch each file is, and INT8's share of the bytes."""
    found = {}
    for name in NETWORKS:
        for side in FILES:
            found[f"{name}.{side}_to_eager"] = medians[f"{name}.eager"] / medians[f"{name}.{side}"]
        found[f"{name}.bytes"] = sizes[f"{name}.int8"] / sizes[f"{name}.fp32"]
    return found


def milliseconds(work: Callable[[], object]) -> float:
    return timeit(work, number=1) * 1000


if __name__ == "__main__":
    run_command(main)
