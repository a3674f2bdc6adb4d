"""Measure the prediction of many photographs beside the plain way: one after the other."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
from PIL import Image

from benchmarks.measure import measure_in_turn, parse, report
from benchmarks.ours import train_names
from pipeline.core.layout import ONNX, PAIRS
from pipeline.core.terminal import UserError, run_command
from pipeline.data.classes import from_metadata
from pipeline.data.pairs import image_path
from pipeline.deploy.folder import folder_jobs, predict_all
from pipeline.deploy.predictor import Predictor, cores
from pipeline.deploy.results import COMPRESSION, result_files
from pipeline.scoring.pictures import overlay

Side = Callable[[Sequence[Path], Path], None]  # photographs, and the folder to write into


def main() -> None:
    few = (50, "photographs a round (50): few, so that a disturbance meets both sides")
    arguments = parse("predicting", __doc__, cores(), 20, slice=few)
    photographs = [image_path(PAIRS, name) for name in train_names()]
    starts = range(0, len(photographs), arguments.slice)
    slices = [photographs[start : start + arguments.slice] for start in starts]
    sides = {"plain": plain_side(ONNX), "ours": our_side(ONNX, arguments.threads)}
    works = {name: partial(speed, side, cycle(slices)) for name, side in sides.items()}
    samples = measure_in_turn(works, arguments.repeats)
    report("Photographs per second", samples, ratio, **vars(arguments))


def ratio(medians: dict[str, float]) -> dict[str, float]:
    return {"predicting.ours_to_plain": medians["ours"] / medians["plain"]}


def our_side(model: Path, threads: int) -> Side:
    """What tools.predict does."""
    predictor = Predictor(model, threads=1)

    def side(photographs: Sequence[Path], out: Path) -> None:
        jobs = folder_jobs(predictor, photographs, out)
        for outcome in predict_all(predictor, jobs, threads):
            if isinstance(outcome, UserError):
                raise outcome

    return side


def plain_side(model: Path) -> Side:
    """A loop with Pillow and ONNX Runtime, on one thread, that writes the same pictures."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    classes = from_metadata(session.get_modelmeta().custom_metadata_map)

    def side(photographs: Sequence[Path], out: Path) -> None:
        for path in photographs:
            photograph = np.array(Image.open(path).convert("RGB"))
            (mask,) = session.run(["mask"], {"photograph": photograph})
            palette = Image.fromarray(mask)
            palette.putpalette(np.array(classes.palette, dtype=np.uint8).tobytes())
            pictures = {"input": Image.fromarray(photograph), "mask": Image.fromarray(mask)}
            pictures |= {"palette": palette, "overlay": overlay(photograph, mask, classes)}
            files = result_files(out, path.stem)
            for kind, picture in pictures.items():
                picture.save(files[kind], compress_level=COMPRESSION)

    return side


def speed(side: Side, slices: Iterator[Sequence[Path]]) -> float:
    """Predict the next slice; return its photographs per second."""
    photographs = next(slices)
    with TemporaryDirectory() as out:
        start = time.perf_counter()
        side(photographs, Path(out))
        return len(photographs) / (time.perf_counter() - start)


if __name__ == "__main__":
    run_command(main)
