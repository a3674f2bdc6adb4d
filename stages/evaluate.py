"""Score the model on the test list, at each image's own size: numbers, tables and pictures."""

from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.files import atomic_file, write_csv, write_json
from pipeline.core.params import STRICT, Threads, read_section
from pipeline.core.terminal import path_arguments, run_command
from pipeline.data.classes import Classes

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.scoring.measure import Measured
    from pipeline.scoring.segmenter import Segmenter


@dataclass(frozen=True, config=STRICT)
class EvaluateParams:
    """How to run the network; neither param should change a score beyond the last digits."""

    batch_size: Annotated[int, Field(gt=0, le=10_000)]
    threads: Threads  # on a CPU


def main() -> None:
    paths = {
        "data": "folder of images and masks, from extract",
        "reviewed": "folder of people's decisions and the masks that they changed, from extract",
        "splits": "folder with test.csv, from split",
        "models": "folder of checkpoint.pth and config.json",
        "metrics": "JSON file for the scores",
        "tables": "folder for scores, slices and per_image.csv",
        "plots": "folder for the plots and sheets",
    }
    arguments = path_arguments("evaluate", __doc__, paths)
    params = read_section("evaluate", EvaluateParams)

    from pipeline.model.checkpoint import checkpoint_digest, load_checkpoint
    from pipeline.model.engine import prepare_torch
    from pipeline.records.runs import checkpoint_run, open_store
    from pipeline.scoring.segmenter import Segmenter

    open_store()  # now, and not after all the work: without a store the stage cannot end
    device = prepare_torch(seed=0, threads=params.threads)
    segmenter = Segmenter(*load_checkpoint(arguments.models)).to(device)
    measured, tables, scores = score_lists(segmenter, arguments, params.batch_size)
    classes = segmenter.classes

    write_json(arguments.metrics, scores)
    for name, table in tables.items():
        write_csv(arguments.tables / f"{name}.csv", table)
    whole = (scores["miou_low"], scores["miou_high"])
    save_plots(arguments.plots, measured, tables["slices"], classes, whole)
    save_sheets(arguments.plots, segmenter, arguments.data, tables["per_image"])

    with checkpoint_run(checkpoint_digest(arguments.models), arguments.data) as run:
        run.set_tags({"evaluate": params})
        run.log_metrics({"test": scores})
        run.log_artifact(arguments.metrics, "metrics")
        run.log_artifact(arguments.tables, "tables")
        run.log_artifact(arguments.plots, "plots/evaluate")


def score_lists(
    segmenter: "Segmenter", folders: Namespace, batch_size: int
) -> tuple["Measured", dict[str, "pd.DataFrame"], dict[str, Any]]:
    """The test list as published: what was measured, tables by name, and the headline.

    With the headline come those of the list as reviewed, and of added pairs that were held out.
    """
    from pipeline.data.splits import read_added, read_split
    from pipeline.scoring.measure import evaluate_images
    from pipeline.scoring.reviewed import reviewed_headline
    from pipeline.scoring.tables import headline, per_image_table, score_table, slice_table

    test = read_split(folders.splits / "test.csv")
    names, classes = test["name"].tolist(), segmenter.classes
    measure = partial(evaluate_images, segmenter, batch_size=batch_size)
    measured = measure(names, folders=[folders.data])
    tables = {
        "scores": score_table(measured, classes),
        "per_image": per_image_table(test, measured, classes),
    }
    scores = headline(tables["scores"], len(test), classes)
    whole = (scores["miou_low"], scores["miou_high"])
    tables["slices"] = slice_table(tables["per_image"], classes, whole)
    measure_again = partial(measure, folders=[folders.reviewed, folders.data])
    scores |= reviewed_headline(measured, names, folders.reviewed, classes, measure_again)
    if (added := read_added(folders.splits)) is not None:
        found = score_table(measure(added["name"].tolist(), folders=[folders.splits]), classes)
        scores["added"] = headline(found, len(added), classes)
    return measured, tables, scores


def save_plots(
    folder: Path,
    measured: "Measured",
    slices: "pd.DataFrame",
    classes: Classes,
    whole: tuple[float, float],
) -> None:
    """Write the plots as PNG; `whole` is the interval of the whole list's mIoU."""
    from pipeline.scoring import plots
    from pipeline.scoring.measure import calibration_error, reliability_table

    bins = measured.bins.sum(axis=0)
    drawn = {
        "confusion": plots.draw_confusion(measured.confusion, classes.names),
        "reliability": plots.draw_reliability(reliability_table(bins), calibration_error(bins)),
        "slices": plots.draw_slices(slices, classes.groups, whole),
    }
    for name, figure in drawn.items():
        with atomic_file(folder / f"{name}.png") as temporary:
            plots.save_figure(temporary, figure)


def save_sheets(folder: Path, segmenter: "Segmenter", data: Path, table: "pd.DataFrame") -> None:
    """Write the sheets of example, worst and median images of a `per_image_table` as PNG."""
    from pipeline.scoring.pictures import choose_shown, draw_sheet

    for name, rows in choose_shown(table).items():
        with atomic_file(folder / f"{name}.png") as temporary:
            sheet = draw_sheet(segmenter.segment, data, rows, segmenter.classes)
            sheet.save(temporary, format="PNG")


if __name__ == "__main__":
    run_command(main)
