"""Score the model on the test list, at each picture's own size: numbers, tables and pictures."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.data.pets import CLASSES, image_path, load_image, load_mask, mask_path
from pipeline.data.splits import read_split
from pipeline.files import atomic_file, write_csv, write_json
from pipeline.model.checkpoint import checkpoint_digest, load_checkpoint
from pipeline.model.device import prepare_torch
from pipeline.model.segmenter import Segmenter
from pipeline.params import STRICT, read_section
from pipeline.records.tracking import checkpoint_run
from pipeline.scoring.confusion import Counts, confusion_matrix
from pipeline.scoring.pictures import ERROR_LEGEND, comparison, grid
from pipeline.scoring.plots import save_confusion
from pipeline.scoring.summary import by_breed, headline, per_image_table
from pipeline.terminal import run_command, track

EXAMPLES = 12  # pictures shown, the same ones every time


@dataclass(frozen=True, config=STRICT)
class EvaluateParams:
    """How to run the network; neither knob should change a score beyond the last digits."""

    batch_size: Annotated[int, Field(gt=0)]
    threads: Annotated[int, Field(gt=0)]  # on a CPU


def main() -> None:
    arguments = parse_arguments()
    params = read_section("evaluate", EvaluateParams)
    device = prepare_torch(seed=0, threads=params.threads)
    segmenter = Segmenter(*load_checkpoint(arguments.models)).to(device)
    images = read_split(arguments.splits / "test.csv")

    counts = count_pixels(segmenter, arguments.pets, images["name"].tolist(), params.batch_size)
    table = per_image_table(images, counts)
    scores = headline(counts)

    write_json(arguments.metrics, scores)
    write_csv(arguments.tables / "per_image.csv", table)
    write_csv(arguments.tables / "by_breed.csv", by_breed(table))
    save_confusion(arguments.plots / "confusion.png", counts.sum(axis=0))
    save_examples(arguments.plots / "examples.png", segmenter, arguments.pets, table)

    with checkpoint_run(checkpoint_digest(arguments.models), arguments.pets) as run:
        run.set_tags({"evaluate": params})
        run.log_metrics({"test": scores})
        run.log_artifact(arguments.metrics, "metrics")
        run.log_artifacts(arguments.tables, "tables")
        run.log_artifacts(arguments.plots, "plots/evaluate")


def count_pixels(segmenter: Segmenter, pets: Path, names: list[str], batch_size: int) -> Counts:
    """The confusion matrix of each named picture at its own size: (N, C, C) int64."""
    counts = np.zeros((len(names), len(CLASSES), len(CLASSES)), dtype=np.int64)
    starts = range(0, len(names), batch_size)
    with ThreadPoolExecutor() as pool, track(starts, "evaluating batches", len(starts)) as tracked:
        for start in tracked:
            batch = names[start : start + batch_size]
            photographs = pool.map(lambda name: load_image(image_path(pets, name)), batch)
            truths = pool.map(lambda name: load_mask(mask_path(pets, name)), batch)
            predictions = segmenter.segment([torch.from_numpy(image) for image in photographs])
            for offset, (truth, prediction) in enumerate(zip(truths, predictions, strict=True)):
                matrix = confusion_matrix(torch.from_numpy(truth), prediction, len(CLASSES))
                counts[start + offset] = matrix.numpy()
    return counts


def save_examples(file: Path, segmenter: Segmenter, pets: Path, table: pd.DataFrame) -> None:
    """Draw a dozen pictures spread evenly over the list, and so over breeds: always the same."""
    positions = np.linspace(0, len(table) - 1, min(EXAMPLES, len(table))).astype(int)
    tiles, captions = [], []
    for name, miou in table.iloc[positions][["name", "miou"]].itertuples(index=False):
        photograph = load_image(image_path(pets, name))
        truth = load_mask(mask_path(pets, name))
        prediction = segmenter.segment([torch.from_numpy(photograph)])[0].numpy()
        tiles += comparison(photograph, truth, prediction)
        captions += [name, "", f"mIoU {miou:.3f}", ""]
    headings = ["photograph", "truth", "prediction", ERROR_LEGEND]
    with atomic_file(file) as temporary:
        grid(tiles, captions, columns=4, headings=headings).save(temporary, format="PNG")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description=__doc__)
    parser.add_argument("pets", type=Path, help="folder of pictures and masks, from extract")
    parser.add_argument("splits", type=Path, help="folder with test.csv, from split")
    parser.add_argument("models", type=Path, help="folder of checkpoint.pth and config.json")
    parser.add_argument("metrics", type=Path, help="JSON file for the scores")
    parser.add_argument("tables", type=Path, help="folder for per_image.csv and by_breed.csv")
    parser.add_argument("plots", type=Path, help="folder for the pictures")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
