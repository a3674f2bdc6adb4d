"""Count how often the monitor finds a change in streams of test pictures, and how often wrongly.

Half of the test list is the reference; streams are drawn from the other half, so that the model
meets pictures that are new to the monitor: run it where `make oxford` has run.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from rich.table import Table

from pipeline.core.layout import ONNX, PAIRS, SPLITS, cores
from pipeline.core.params import read_section
from pipeline.core.terminal import UserError, console, run_command, track
from pipeline.data.images import decode_image
from pipeline.data.pairs import pair_of
from pipeline.data.splits import read_split
from pipeline.deploy.folder import find_images
from pipeline.deploy.predictor import Predictor
from pipeline.monitoring.drift import MonitorParams, judge
from pipeline.monitoring.observation import observe
from pipeline.monitoring.reference import Reference, make_reference
from pipeline.scoring.confusion import count_pairs, margins, mean_iou, pixel_accuracy

STREAMS, STREAM = 20, 300  # of each kind; pictures of one
PICTURES = 1200  # at most that are changed in each way: streams are drawn from them

Array = NDArray[np.uint8]
Pair = tuple[Array, Array]  # image and mask
Row = tuple[dict[str, float | None], NDArray[np.int64]]  # observation and confusion


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--other", nargs=1, help="folder of another data set's pictures (none)")
    arguments = parser.parse_args()
    params = read_section("monitor", MonitorParams)
    predictor = Predictor(ONNX, threads=1)
    files = [each for each in find_images(arguments.other or []) if isinstance(each, Path)]
    if arguments.other and not files:
        raise UserError(f"--other {arguments.other[0]}: no picture is in it")
    names = read_split(SPLITS / "test.csv")["name"].tolist()
    names = np.random.default_rng(0).permutation(names).tolist()
    reference = make_reference(predictor, PAIRS, names[::2], cores())
    columns = ("drift", "pixel accuracy", "true", "mIoU", "true", "moved most often")
    table = Table("pictures", *columns, title=f"{STREAMS} streams of {STREAM} pictures")
    for name, rows in every_change(predictor, names[1::2][:PICTURES], files):
        table.add_row(name, *measure(rows, reference, params))
    console.print(table)


def darkened(image: Array, mask: Array) -> Pair:
    return (image * 0.5).astype(np.uint8), mask


def blurred(image: Array, mask: Array) -> Pair:
    """As out of focus: a hundredth of the longer side."""
    radius = max(image.shape) / 128
    return np.array(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius))), mask


def downscaled(image: Array, mask: Array) -> Pair:
    """To a quarter, as a thumbnail."""
    size = (max(1, image.shape[1] // 4), max(1, image.shape[0] // 4))
    small = np.array(Image.fromarray(image).resize(size))
    return small, np.array(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


def enlarged_again(image: Array, mask: Array) -> Pair:
    """To a quarter and back: the size does not tell."""
    small, _ = downscaled(image, mask)
    return np.array(Image.fromarray(small).resize(image.shape[1::-1])), mask


def rotated(image: Array, mask: Array) -> Pair:
    """By 180 degrees."""
    return image[::-1, ::-1].copy(), mask[::-1, ::-1].copy()


CHANGES: dict[str, Callable[[Array, Array], Pair]] = {
    "unchanged": lambda image, mask: (image, mask),
    "darkened to half": darkened,
    "blurred": blurred,
    "downscaled to a quarter": downscaled,
    "the same, enlarged again": enlarged_again,
    "rotated by 180 degrees": rotated,
}


def every_change(
    predictor: Predictor, names: Sequence[str], files: Sequence[Path]
) -> Iterator[tuple[str, list[Row]]]:
    """What the model sees of the changed pictures, one change after the other."""

    def look(image: Array, truth: Array | None) -> Row:
        classes = predictor.classes
        mask, confidence, _ = predictor.predict(image)
        none = np.zeros((len(classes), len(classes)), np.int64)
        confusion = none if truth is None else count_pairs(truth, mask, len(classes))
        return observe(image, mask, confidence, classes), confusion

    with ThreadPoolExecutor(cores()) as pool:
        for title, change in CHANGES.items():
            rows = pool.map(lambda name, c=change: look(*c(*pair_of(name, PAIRS))), names)
            with track(rows, title, len(names)) as tracked:
                yield title, list(tracked)
        if files:
            files = files[:: max(1, len(files) // PICTURES)][:PICTURES]
            rows = pool.map(lambda file: look(decode_image(file), None), files)
            with track(rows, "another data set", len(files)) as tracked:
                yield "another data set", list(tracked)


def measure(rows: Sequence[Row], reference: Reference, params: MonitorParams) -> list[str]:
    """A row of the table: streams found to drift, scores in the mean, what moved most often."""
    table = pd.DataFrame([seen for seen, _ in rows])
    table["time"] = pd.Timestamp(0, tz="UTC")
    confusion = np.stack([counts for _, counts in rows])
    found, scores, moved = 0, [], Counter[str]()
    for seed in range(STREAMS):
        drawn = np.random.default_rng(seed).choice(len(rows), STREAM, replace=len(rows) < STREAM)
        verdict = judge(table.iloc[drawn], reference, params)
        counted = margins(confusion[drawn].sum(axis=0))
        assert verdict.estimate is not None, "the model tells its confidence"
        estimated = [score.estimate for score in verdict.estimate]
        found += verdict.drifted
        true = (float(pixel_accuracy(counted)), float(mean_iou(counted)))
        scores.append((estimated[0], true[0], estimated[1], true[1]))
        moved.update(verdict.moved)
    means = [f"{mean:.3f}" for mean in np.mean(scores, axis=0)]
    return [f"{found} of {STREAMS}", *means, ", ".join(name for name, _ in moved.most_common(3))]


if __name__ == "__main__":
    run_command(main)
