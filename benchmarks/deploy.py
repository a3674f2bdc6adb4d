"""Measure the exported models in ONNX Runtime beside eager PyTorch: one photograph at a time."""

import argparse
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from benchmarks.report import Samples, sample_table
from benchmarks.setting import LITE0, REFERENCE, SEED
from pipeline.core.terminal import console, positive, run_command, track
from pipeline.data.pets import CLASSES
from pipeline.data.transforms import Normalisation
from pipeline.deploy.int8 import export_int8
from pipeline.deploy.onnx_export import export_onnx
from pipeline.deploy.predictor import Predictor, cores, latencies
from pipeline.model.checkpoint import ModelConfig
from pipeline.model.engine import prepare_torch
from pipeline.model.unet import ModelParams, UNet
from pipeline.scoring.segmenter import Segmenter

Side = Callable[[], object]

FILES = ("fp32", "int8")
NETWORKS = {"reference": REFERENCE, "lite0": LITE0}
CALIBRATION = 4  # photographs: of noise, like the timed one, since no time depends on what is there


def main() -> None:
    arguments = parse_arguments()
    prepare_torch(SEED, arguments.threads)
    samples: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}
    with (
        TemporaryDirectory() as folder,
        track(NETWORKS.items(), "networks", len(NETWORKS)) as networks,
    ):
        for name, params in networks:
            segmenter = build(params, arguments.size)
            files = {side: Path(folder) / f"{name}.{side}.onnx" for side in FILES}
            export(segmenter, files)
            sizes |= {f"{name}.{side}": file.stat().st_size for side, file in files.items()}
            taken = latencies(sides(segmenter, files, arguments.threads), arguments.repeats)
            samples |= {f"{name}.{side}": times for side, times in taken.items()}
    facts = {
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "size": arguments.size,
        "repeats": arguments.repeats,
        "quick": arguments.quick,
    }
    print_report(samples, sizes, facts)


def build(params: ModelParams, size: int) -> Segmenter:
    """A network with random weights: no time depends on them."""
    config = ModelConfig(params, CLASSES, size, Normalisation())
    return Segmenter(UNet(params, len(CLASSES)), config).eval()


def export(segmenter: Segmenter, files: dict[str, Path]) -> None:
    export_onnx(files["fp32"], segmenter, {})
    photographs = (noise(segmenter.size, seed) for seed in range(CALIBRATION))
    export_int8(files["int8"], files["fp32"], photographs)


def sides(segmenter: Segmenter, files: dict[str, Path], threads: int) -> dict[str, Side]:
    """What labels one photograph: PyTorch, as the stages call it, and the files."""
    photograph = noise(segmenter.size, SEED)
    eager = partial(segmenter.segment, [torch.from_numpy(photograph)])
    predictors = {side: Predictor(file, threads) for side, file in files.items()}
    return {"eager": eager} | {side: partial(predictors[side], photograph) for side in files}


def noise(size: int, seed: int) -> NDArray[np.uint8]:
    """A photograph (size, size, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def print_report(samples: Samples, sizes: dict[str, int], facts: dict[str, Any]) -> None:
    """All sides and their ratios, and all as JSON in the last line."""
    medians = {name: median(values) for name, values in samples.items()}
    found = ratios(medians, sizes)
    console.print(sample_table("Milliseconds for one photograph", samples))
    for name, ratio in found.items():
        console.print(f"{name}: {ratio:.2f}")
    print(json.dumps({**facts, "medians": medians, "bytes": sizes, "ratios": found}))


def ratios(medians: Mapping[str, float], sizes: Mapping[str, int]) -> dict[str, float]:
    """How many times faster than PyTorch each file is, and INT8's share of the bytes."""
    found = {}
    for name in NETWORKS:
        for side in FILES:
            found[f"{name}.{side}_to_eager"] = medians[f"{name}.eager"] / medians[f"{name}.{side}"]
        found[f"{name}.bytes"] = sizes[f"{name}.int8"] / sizes[f"{name}.fp32"]
    return found


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deploy", description=__doc__)
    parser.add_argument("--size", type=positive, default=256, help="of photograph and network, px")
    parser.add_argument("--threads", type=positive, default=cores(), help="of all sides")
    parser.add_argument("--repeats", type=positive, help="measured rounds (20; quick: 1)")
    parser.add_argument("--quick", action="store_true", help="short, only to see that it works")
    arguments = parser.parse_args()
    arguments.repeats = arguments.repeats or (1 if arguments.quick else 20)
    return arguments


if __name__ == "__main__":
    run_command(main)
