"""Measure each stage, and DVC beside them, on more and more images: time and memory."""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import psutil
import yaml
from PIL import Image, ImageDraw

from pipeline.core.layout import INDEX, LABELS, ONNX, PAIRS, REVIEWED, SPLITS
from pipeline.core.terminal import UserError, console, positive, run_command
from pipeline.data.splits import read_split
from pipeline.ingest.duplicates import nearest_within

REPOSITORY = Path(__file__).resolve().parents[1]
SIZE = 32  # of the network's images, in pixels
DATASET = "datasets/drawn.yaml"
GROUPS = 37
CLASSES = {"inside": 1, "outside": 2, "outline": 3}  # values of the masks
DESCRIPTION = {
    "sources": {name: {"url": f"{name}.tar"} for name in ("images", "masks")},
    "layout": {
        "images": "images/{name}.jpg",
        "masks": "masks/{name}.png",
        "lists": {split: f"masks/{split}.txt" for split in ("trainval", "test")},
    },
    "classes": [{"name": name, "values": [value]} for name, value in CLASSES.items()],
    "groups": {"group": "(.+)_[0-9]+"},
}
PARAMS = {  # replacing those of the repository
    "download": {"dataset": "drawn"},
    "model": {"features": [4, 8]},
    "train": {"epochs": 1, "batch_size": 32, "image_size": SIZE},
    "export": {"max_disagreement": 1.0},  # so small a network has many near ties
}
SCORES, PLOTS = "metrics/evaluate.json", "metrics/plots"
EXTRACT = f"-m stages.extract datasets data/raw {LABELS} {PAIRS} {REVIEWED} metrics/extract.json"
EVALUATE = (
    f"-m stages.evaluate {PAIRS} {REVIEWED} {SPLITS} models {SCORES} metrics/tables {PLOTS}/test"
)
STEPS = {  # in this order; arguments of python
    "extract": EXTRACT,
    "dvc commit": "-m dvc commit --quiet --force",
    "dvc status": "-m dvc status --quiet",
    "split": f"-m stages.split {PAIRS} {REVIEWED} {SPLITS} metrics/split.json",
    "near-duplicates": "-c 'from benchmarks.scale import search; search()'",
    "cache": "-c 'from benchmarks.scale import decode; decode()'",
    "train": f"-m stages.train {PAIRS} {SPLITS} models metrics/train.json {PLOTS}/train",
    "evaluate": EVALUATE,
    "dvc checkout": "-m dvc checkout --quiet",
    "export": f"-m stages.export {PAIRS} {SPLITS} models {SCORES} {ONNX} metrics/export.json",
    "dvc push": "-m dvc push --quiet",
}
# The steps in which shards differ from files.
OF_FORMS = ("extract", "dvc commit", "dvc status", "split", "cache", "dvc checkout", "dvc push")
DVC_LOCAL = "[core]\nno_scm = true\nremote = store\n['remote \"store\"']\nurl = ../remote\n"
SIDE = 40  # of the drawn images, in pixels
PATCHES = 8  # random colours a side, so that no two images look alike
DISTANCE = 6  # bits, as in params.yaml
INTERVAL = 0.05  # seconds between two looks at a command's memory


@dataclass(frozen=True)
class Cost:
    """What a command and all the processes it started took."""

    seconds: float  # by the clock
    processor: float  # seconds of processor time, which other work on the machine changes less
    megabytes: float  # the most they held together


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--images", type=positive, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--workdir", type=Path, help="for the images: 40 kB each are needed")
    text = "compare files with so many tar shards, in the steps where they differ"
    parser.add_argument("--shards", type=positive, help=text)
    arguments = parser.parse_args()
    steps = OF_FORMS if arguments.shards else (*STEPS,)
    report: dict[str, object] = {"cores": os.cpu_count()}
    for form, shards in {"files": 0, "shards": arguments.shards}.items():
        if shards is not None:
            costs = {}
            for images in arguments.images:
                with TemporaryDirectory(dir=arguments.workdir, prefix="scale-") as folder:
                    prepare(Path(folder), images, shards)
                    costs[images] = dict(run(Path(folder), f"{images:,} {form}", steps))
            print_growth(costs)
            report[form] = {n: {s: asdict(c) for s, c in own.items()} for n, own in costs.items()}
    print(json.dumps(report))


def print_growth(costs: Mapping[int, Mapping[str, Cost]]) -> None:
    """What more images cost each step."""
    for less, more in pairwise(costs):
        for step in costs[less]:
            seconds, factor = growth(costs[less][step], costs[more][step], more - less)
            text = f"{seconds:.2f} s for each further 1,000, memory times {factor:.2f}"
            console.print(f"{less:,} to {more:,} {step}: {text}", highlight=False)


def growth(less: Cost, more: Cost, images: int) -> tuple[float, float]:
    """The further seconds for each further 1,000 of so many images, and the factor of memory.

    Start-up does not count in the former.
    """
    return (more.seconds - less.seconds) / images * 1000, more.megabytes / less.megabytes


def prepare(workspace: Path, images: int, shards: int) -> None:
    """Make a workspace with archives, description and params; DVC keeps what extract writes."""
    with console.status(f"drawing {images:,} images"):
        draw_archives(workspace / "data/raw", images)
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    for section, values in PARAMS.items():
        params[section] |= values
    params["extract"]["shards"] = shards
    (workspace / "params.yaml").write_text(yaml.safe_dump(params))
    (workspace / DATASET).parent.mkdir()
    (workspace / DATASET).write_text(yaml.safe_dump(DESCRIPTION))
    stage = {"cmd": f"python {EXTRACT}", "deps": ["data/raw"], "outs": [str(PAIRS)]}
    (workspace / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"extract": stage}}))
    (workspace / ".dvc").mkdir()
    shutil.copy(REPOSITORY / ".dvc/config", workspace / ".dvc/config")
    (workspace / ".dvc/config.local").write_text(DVC_LOCAL)


def run(workspace: Path, what: str, steps: Sequence[str]) -> Iterator[tuple[str, Cost]]:
    """Take the STEPS of these names one after the other; yield the cost of each."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment = kept | {"PYTHONPATH": str(REPOSITORY), "DVC_ROOT": str(workspace)}
    for step in steps:
        if step == "dvc checkout":
            shutil.rmtree(workspace / PAIRS)  # for DVC to bring back
        cost = command_cost([sys.executable, *shlex.split(STEPS[step])], workspace, environment)
        times = f"{cost.seconds:.1f} s, {cost.processor:.1f} s of the processor"
        console.print(f"{what}, {step}: {times}, {cost.megabytes:.0f} MB", highlight=False)
        yield step, cost


def command_cost(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Cost:
    """Run the command in the folder. Raises UserError, with its output, if it fails.

    Memory is what the processes have to themselves. Pages of files do not count: the system takes
    them back when it needs them.
    """
    with (folder / "output.txt").open("w+b") as output:
        start, before = time.perf_counter(), getrusage(RUSAGE_CHILDREN)
        process = psutil.Popen(
            command, cwd=folder, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, _held(process))
            time.sleep(INTERVAL)
        seconds = time.perf_counter() - start
    if process.returncode:
        said = (folder / "output.txt").read_text(errors="replace")
        raise UserError(f"{' '.join(command)}: exit status {process.returncode}\n{said}")
    after = getrusage(RUSAGE_CHILDREN)  # of all ended children, and of theirs
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Cost(seconds, processor, peak / 2**10)


def _held(process: psutil.Popen) -> int:
    """Anonymous memory in kB of the process and its descendants; 0 if one has just ended.

    From Linux's smaps_rollup, where a page that a process and its fork still share counts once.
    """
    try:
        processes = [process, *process.children(recursive=True)]
        texts = [Path(f"/proc/{each.pid}/smaps_rollup").read_text() for each in processes]
    except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
        return 0
    return sum(map(int, re.findall(r"^Pss_Anon:\s+(\d+) kB", "\n".join(texts), re.MULTILINE)))


def search() -> None:
    """Search for near-duplicates of test images: a part of split."""
    index = pd.read_csv(INDEX, usecols=["split", "phash"], dtype=str)
    hashes = np.fromiter((int(digits, 16) for digits in index["phash"]), np.uint64, len(index))
    test = (index["split"] == "test").to_numpy()
    nearest_within(hashes[~test], hashes[test], DISTANCE)


def decode() -> None:
    """Decode the images of the training lists into the cache: the beginning of train."""
    from pipeline.data.cache import open_pictures  # noqa: PLC0415 - torch, not for the search

    for split in ("train", "val"):
        open_pictures(PAIRS, read_split(SPLITS / f"{split}.csv")["name"].tolist(), SIZE)


def draw_archives(raw: Path, images: int) -> None:
    """Write images.tar and masks.tar; every other pair is a test pair. The groups take turns."""
    for part in ("images", "masks"):
        (raw / part).mkdir(parents=True)
    for number in range(images):
        turn, place = divmod(number, GROUPS)
        name = f"group{place}_{turn + 1}"
        image, mask = draw(np.random.default_rng(number))
        image.save(raw / f"images/{name}.jpg")
        mask.save(raw / f"masks/{name}.png")
        with (raw / f"masks/{'test' if number % 2 else 'trainval'}.txt").open("a") as lines:
            lines.write(f"{name}\n")
    for part in ("images", "masks"):
        shutil.make_archive(str(raw / part), "tar", raw, part)
        shutil.rmtree(raw / part)


def draw(random: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """An image of random patches and its mask, an ellipse: no step depends on what they show."""
    colours = random.integers(0, 256, (PATCHES, PATCHES, 3), dtype=np.uint8)
    image = Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    corners = (*random.integers(2, SIDE // 3, 2), *random.integers(SIDE * 2 // 3, SIDE - 2, 2))
    mask = Image.new("L", (SIDE, SIDE), CLASSES["outside"])
    inside, outline = CLASSES["inside"], CLASSES["outline"]
    ImageDraw.Draw(mask).ellipse(corners, fill=inside, outline=outline, width=2)
    return image, mask


if __name__ == "__main__":
    run_command(main)
