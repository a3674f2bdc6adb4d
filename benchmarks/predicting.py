"""Measure the prediction of many photographs beside the plain way: one after the other."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
from PIL import Image

from benchmarks.measure import measure_in_turn, parse, report
from benchmarks.ours import train_names
from pipeline.core.layout import ONNX, PAIRS, cores
from pipeline.core.terminal import UserError, run_command
from pipeline.data.classes import from_metadata
from pipeline.data.pairs import image_path
from pipeline.deploy.batch import THREADS, predict_batch
from pipeline.deploy.folder import folder_jobs, predict_all
from pipeline.deploy.predictor import Predictor
from pipeline.deploy.results import COMPRESSION, result_files
from pipeline.deploy.stores import Found, Place
from pipeline.scoring.pictures import overlay

Side = Callable[[Sequence[Path], Path], None]  # photographs, and the folder to write into


def main() -> None:
    few = (50, "photographs a round (50): few, so that a disturbance meets both sides")
    text = "measure this folder of a store, too, such as s3://bucket/bench: it is written into"
    arguments = parse("predicting", __doc__, cores(), 20, slice=few, store=("", text))
    photographs = [image_path(PAIRS, name) for name in train_names()]
    starts = range(0, len(photographs), arguments.slice)
    slices = [photographs[start : start + arguments.slice] for start in starts]
    sides = {"plain": plain_side(ONNX), "ours": our_side(ONNX, arguments.threads)}
    if arguments.store:
        sides |= store_sides(ONNX, photographs, arguments.store, arguments.threads)
    works = {name: partial(speed, side, cycle(slices)) for name, side in sides.items()}
    samples = measure_in_turn(works, arguments.repeats)
    report("Photographs per second", samples, ratio, **vars(arguments))


def ratio(medians: dict[str, float]) -> dict[str, float]:
    found = {"predicting.ours_to_plain": medians["ours"] / medians["plain"]}
    if "store.ours" in medians:
        found["predicting.store_ours_to_plain"] = medians["store.ours"] / medians["store.plain"]
    return found


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
    session = plain_session(model)
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


def plain_session(model: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def store_sides(
    model: Path, photographs: Sequence[Path], address: str, threads: int
) -> dict[str, Side]:
    """The same with the photographs in a store, which gets the masks and, of ours, the table."""
    store, session, predictor = Place(address), plain_session(model), Predictor(model, threads=1)
    files = {}
    for path in photographs:
        files[path] = Found(f"{store.path}/in/{path.name}", path.stat().st_size)
        store.write(files[path].path, path.read_bytes())

    def plain(photographs: Sequence[Path], _: Path) -> None:
        for path in photographs:
            photograph = np.array(Image.open(store.read(files[path])).convert("RGB"))
            (mask,) = session.run(["mask"], {"photograph": photograph})
            content = BytesIO()
            Image.fromarray(mask).save(content, "PNG", compress_level=COMPRESSION)
            store.write(f"{store.path}/plain/{path.stem}.png", content.getvalue())

    def ours(photographs: Sequence[Path], _: Path) -> None:
        out, found = Place(f"{address}/ours"), [files[path] for path in photographs]
        for outcome in predict_batch(predictor, store, found, out, threads * THREADS):
            if isinstance(outcome, UserError):
                raise outcome

    return {"store.plain": plain, "store.ours": ours}


def speed(side: Side, slices: Iterator[Sequence[Path]]) -> float:
    """Predict the next slice; return its photographs per second."""
    photographs = next(slices)
    with TemporaryDirectory() as out:
        start = time.perf_counter()
        side(photographs, Path(out))
        return len(photographs) / (time.perf_counter() - start)


if __name__ == "__main__":
    run_command(main)
