"""Count how often the monitor finds a change in streams of test pictures, and how often wrongly.

Half of the test list is the reference; streams are drawn from the other half, so that the model
meets pictures that are new to the monitor. With fewer than two streams of test pictures, all are
the reference, and streams repeat them.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

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
from pipeline.deploy.predictor import Predictor, longest_side, predict_confidence
from pipeline.monitoring.drift import Verdict, judge
from pipeline.monitoring.observation import observe
from pipeline.monitoring.reference import Reference, read_reference, write_reference
from pipeline.monitoring.settings import MonitorParams
from pipeline.scoring.confusion import margins, mean_iou, pixel_accuracy

STREAM = 300  # pictures
PICTURES = 1200  # at most that are changed in each way: streams are drawn from them

Array = NDArray[np.uint8]
Pair = tuple[Array, Array]  # image and mask
Row = tuple[dict[str, float | None], NDArray[np.int64]]  # observation and confusion


def main() -> None:
    arguments = parse_arguments()
    params = read_section("monitor", MonitorParams)
    predictor = Predictor(arguments.model, threads=1)
    names = read_split(arguments.splits / "test.csv")["name"].tolist()
    names = np.random.default_rng(0).permutation(names).tolist()
    apart = len(names) >= 2 * STREAM
    known, streamed = (names[::2], names[1::2]) if apart else (names, names)
    reference = reference_of(arguments.model, arguments.data, known)
    found = {}
    for name, rows in every_change(predictor, arguments, streamed[:PICTURES]):
        found[name] = measure(rows, reference, params, arguments.streams, apart)
    console.print(table_of(found, arguments.streams))
    facts = {"model": str(arguments.model), "reference": len(known), "apart": apart}
    print(json.dumps(facts | {"found": found}))


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


def reference_of(model: Path, data: Path, names: Sequence[str]) -> Reference:
    """As the export stage makes it, of these pictures."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "reference.json"
        write_reference(file, model, [(data, names)], cores())
        return read_reference(file)


def every_change(
    predictor: Predictor, arguments: argparse.Namespace, names: Sequence[str]
) -> Iterator[tuple[str, list[Row]]]:
    """What the model sees of the changed pictures, one change after the other."""

    def look(image: Array, truth: Array | None) -> Row:
        classes = predictor.classes
        mask, confidence = predict_confidence(predictor, image, longest_side(len(classes)))
        confusion = np.zeros((len(classes), len(classes)), np.int64)
        if truth is not None:
            scored = truth < len(classes)
            np.add.at(confusion, (truth[scored], mask[scored]), 1)
        return observe(image, mask, confidence, classes), confusion

    def changed(change: Callable[[Array, Array], Pair], name: str) -> Row:
        return look(*change(*pair_of(name, arguments.data)))

    with ThreadPoolExecutor(cores()) as pool:
        for title, change in CHANGES.items():
            with track(pool.map(lambda n, c=change: changed(c, n), names), title, len(names)) as it:
                yield title, list(it)
        if arguments.other:
            files = [each for each in find_images([arguments.other]) if isinstance(each, Path)]
            if not files:
                raise UserError(f"--other {arguments.other}: no picture is in it")
            files = files[:: max(1, len(files) // PICTURES)][:PICTURES]
            rows = pool.map(lambda file: look(decode_image(file), None), files)
            with track(rows, "another data set", len(files)) as it:
                yield "another data set", list(it)


def measure(
    rows: Sequence[Row], reference: Reference, params: MonitorParams, streams: int, apart: bool
) -> dict[str, Any]:
    """How many of the streams are found to drift; estimated and true scores, in the mean."""
    table = pd.DataFrame([seen for seen, _ in rows])
    table["time"] = pd.Timestamp(0, tz="UTC")
    confusion = np.stack([counts for _, counts in rows])
    verdicts, truths = [], []
    for seed in range(streams):
        enough = apart and len(rows) >= STREAM
        drawn = np.random.default_rng(seed).choice(len(rows), STREAM, replace=not enough)
        verdicts.append(judge(table.iloc[drawn], reference, params))
        counted = margins(confusion[drawn].sum(axis=0))
        truths.append((float(pixel_accuracy(counted)), float(mean_iou(counted))))
    moved = Counter(name for verdict in verdicts for name in verdict.moved)
    return {
        "drift": sum(verdict.drifted for verdict in verdicts),
        "broken": float(np.mean([verdict.broken for verdict in verdicts])),
        **scores(verdicts, truths),
        "moved": [name for name, _ in moved.most_common(3)],
    }


def scores(
    verdicts: Sequence[Verdict], truths: Sequence[tuple[float, float]]
) -> dict[str, dict[str, float]]:
    """Means over the streams, and in how many of them the truth lies in the interval."""
    found = {}
    for place, name in enumerate(("pixel_accuracy", "miou")):
        ends = np.array([getattr(verdict.estimate, name) for verdict in verdicts])
        truth = np.array([each[place] for each in truths])
        within = (ends[:, 1] <= truth) & (truth <= ends[:, 2])
        means = {"estimated": ends[:, 0].mean(), "true": truth.mean(), "within": within.mean()}
        found[name] = {key: round(float(value), 4) for key, value in means.items()}
    return found


def table_of(found: dict[str, Any], streams: int) -> Table:
    columns = ("drift", "pixel accuracy", "true", "mIoU", "true", "moved most often")
    table = Table("pictures", *columns, title=f"{streams} streams of {STREAM} pictures")
    for name, each in found.items():
        cells = [f"{each['drift']} of {streams}"]
        for score in ("pixel_accuracy", "miou"):
            cells += [f"{each[score][key]:.3f}" for key in ("estimated", "true")]
        table.add_row(name, *cells, ", ".join(each["moved"]))
    return table


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--model", type=Path, default=ONNX, help=f"exported model ({ONNX})")
    parser.add_argument("--data", type=Path, default=PAIRS, help=f"images and masks ({PAIRS})")
    parser.add_argument("--splits", type=Path, default=SPLITS, help=f"with test.csv ({SPLITS})")
    parser.add_argument("--other", help="folder of another data set's pictures (none)")
    parser.add_argument("--streams", type=int, default=20, help="of each kind (20)")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
