"""Measure the prediction of many photographs beside the plain way: one after the other."""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

from benchmarks.report import Samples, sample_table
from pipeline.core.terminal import UserError, console, positive, run_command, track
from pipeline.data.pets import PALETTE
from pipeline.deploy.folder import find_images, predict_all
from pipeline.deploy.predictor import Predictor, cores
from pipeline.deploy.results import COMPRESSION, result_files
from pipeline.scoring.pictures import overlay

Side = Callable[[Sequence[Path], Path], None]  # photographs, and the folder to write into


def main() -> None:
    arguments = parse_arguments()
    photographs = choose(arguments.photographs, arguments.count)
    sides = {
        "plain": plain_side(arguments.model),
        "ours": our_side(arguments.model, arguments.threads),
    }
    samples = measure(sides, photographs, arguments.slice)
    facts = {
        "photographs": len(photographs),
        "threads": arguments.threads,
        "onnxruntime": onnxruntime.__version__,
        "slice": arguments.slice,
        "quick": arguments.quick,
    }
    print_report(samples, facts)


def choose(folder: Path, count: int) -> list[Path]:
    """The folder's first photographs, at most `count`. Raises UserError if there are none."""
    found = [each for each in find_images([str(folder)]) if isinstance(each, Path)]
    if not found:
        raise UserError(f"{folder} holds no photographs: run make first, which makes the data set")
    return found[:count]


def our_side(model: Path, threads: int) -> Side:
    """What tools.predict does."""
    predictor = Predictor(model, threads=1)

    def side(photographs: Sequence[Path], out: Path) -> None:
        for outcome in predict_all(predictor, photographs, out, threads):
            if isinstance(outcome, UserError):
                raise outcome

    return side


def plain_side(model: Path) -> Side:
    """A loop with Pillow and ONNX Runtime on one thread that writes the same pictures."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def side(photographs: Sequence[Path], out: Path) -> None:
        for path in photographs:
            photograph = np.array(Image.open(path).convert("RGB"))
            (mask,) = session.run(None, {"photograph": photograph})
            palette = Image.fromarray(mask)
            palette.putpalette(np.array(PALETTE, dtype=np.uint8).tobytes())
            pictures = {
                "input": Image.fromarray(photograph),
                "mask": Image.fromarray(mask),
                "palette": palette,
                "overlay": overlay(photograph, mask),
            }
            for kind, file in result_files(out, path.stem).items():
                pictures[kind].save(file, compress_level=COMPRESSION)

    return side


def measure(sides: dict[str, Side], photographs: Sequence[Path], size: int) -> Samples:
    """Photographs a second, slice by slice of that size, each slice by all sides.

    So that what disturbs the machine meets all of them, slices are short, and who begins changes.
    The first slice is done once more before, to warm up.
    """
    slices = [photographs[start : start + size] for start in range(0, len(photographs), size)]
    samples: dict[str, list[float]] = defaultdict(list)
    for side in sides.values():
        timed(side, slices[0])
    with track(slices, "slices", len(slices)) as tracked:
        for number, part in enumerate(tracked):
            for name in sorted(sides, reverse=number % 2 == 0):
                samples[name].append(len(part) / timed(sides[name], part))
    return samples


def timed(side: Side, photographs: Sequence[Path]) -> float:
    """The seconds that it takes."""
    with TemporaryDirectory() as out:
        start = time.perf_counter()
        side(photographs, Path(out))
        return time.perf_counter() - start


def print_report(samples: Samples, facts: dict[str, Any]) -> None:
    """Both sides and their ratio, and all as JSON in the last line."""
    medians = {name: median(values) for name, values in samples.items()}
    ratio = medians["ours"] / medians["plain"]
    console.print(sample_table("Photographs per second", samples))
    console.print(f"our prediction to the plain one: {ratio:.2f}")
    print(json.dumps({**facts, "medians": medians, "ratios": {"predicting.ours_to_plain": ratio}}))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.predicting", description=__doc__)
    parser.add_argument("--photographs", type=Path, default=Path("data/pets/images"))
    parser.add_argument("--model", type=Path, default=Path("models/model.onnx"))
    parser.add_argument("--count", type=positive, help="photographs, at most (1000; quick: 8)")
    parser.add_argument("--threads", type=positive, default=cores(), help="of our side")
    parser.add_argument("--slice", type=positive, default=50, help="measured at a time (50)")
    parser.add_argument("--quick", action="store_true", help="short, only to see that it works")
    arguments = parser.parse_args()
    arguments.count = arguments.count or (8 if arguments.quick else 1000)
    return arguments


if __name__ == "__main__":
    run_command(main)
