"""Score the model on the test list, at each picture's own size: numbers, tables and pictures."""

import argparse
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.files import atomic_file, write_csv, write_json
from pipeline.core.params import STRICT, Threads, read_section
from pipeline.core.terminal import run_command
from pipeline.data.splits import read_split
from pipeline.model.checkpoint import checkpoint_digest, load_checkpoint
from pipeline.model.device import prepare_torch
from pipeline.model.resume import forget
from pipeline.model.segmenter import Segmenter
from pipeline.records.runs import checkpoint_run
from pipeline.scoring import gallery, plots
from pipeline.scoring.calibration import calibration_error, reliability_table
from pipeline.scoring.examine import examine
from pipeline.scoring.measure import Measured
from pipeline.scoring.slices import slice_table
from pipeline.scoring.summary import headline, per_image_table, score_table


@dataclass(frozen=True, config=STRICT)
class EvaluateParams:
    """How to run the network; neither knob should change a score beyond the last digits."""

    batch_size: Annotated[int, Field(gt=0, le=10_000)]
    threads: Threads  # on a CPU


def main() -> None:
    arguments = parse_arguments()
    params = read_section("evaluate", EvaluateParams)
    device = prepare_torch(seed=0, threads=params.threads)
    segmenter = Segmenter(*load_checkpoint(arguments.models)).to(device)
    digest = checkpoint_digest(arguments.models)
    forget(digest)  # DVC runs this stage when it has saved the training's outputs
    images = read_split(arguments.splits / "test.csv")

    measured = examine(segmenter, arguments.pets, images["name"].tolist(), params.batch_size)
    tables = {"scores": score_table(measured), "per_image": per_image_table(images, measured)}
    scores = headline(tables["scores"], len(images))
    whole = (scores["miou_low"], scores["miou_high"])
    tables["slices"] = slice_table(tables["per_image"], whole)

    write_json(arguments.metrics, scores)
    for name, table in tables.items():
        write_csv(arguments.tables / f"{name}.csv", table)
    save_plots(arguments.plots, measured, tables["slices"], whole)
    save_pictures(arguments.plots, segmenter, arguments.pets, tables["per_image"])

    with checkpoint_run(digest, arguments.pets) as run:
        run.set_tags({"evaluate": params})
        run.log_metrics({"test": scores})
        run.log_artifact(arguments.metrics, "metrics")
        run.log_artifacts(arguments.tables, "tables")
        run.log_artifacts(arguments.plots, "plots/evaluate")


def save_plots(
    folder: Path, measured: Measured, slices: pd.DataFrame, whole: tuple[float, float]
) -> None:
    """whole: the interval of the whole list's mIoU."""
    bins = measured.bins.sum(axis=0)
    drawn = {
        "confusion": plots.draw_confusion(measured.counts.sum(axis=0)),
        "reliability": plots.draw_reliability(reliability_table(bins), calibration_error(bins)),
        "breeds": plots.draw_breeds(slices, whole),
    }
    for name, figure in drawn.items():
        with atomic_file(folder / f"{name}.png") as temporary:
            plots.save_figure(temporary, figure)


def save_pictures(folder: Path, segmenter: Segmenter, pets: Path, table: pd.DataFrame) -> None:
    for name, rows in gallery.chosen(table).items():
        with atomic_file(folder / f"{name}.png") as temporary:
            gallery.sheet(segmenter, pets, rows).save(temporary, format="PNG")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description=__doc__)
    parser.add_argument("pets", type=Path, help="folder of pictures and masks, from extract")
    parser.add_argument("splits", type=Path, help="folder with test.csv, from split")
    parser.add_argument("models", type=Path, help="folder of checkpoint.pth and config.json")
    parser.add_argument("metrics", type=Path, help="JSON file for the scores")
    parser.add_argument("tables", type=Path, help="folder for scores, slices and per_image.csv")
    parser.add_argument("plots", type=Path, help="folder for the pictures")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
