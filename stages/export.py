"""Export the checkpoint to ONNX, float32 and INT8, prove both, register them and what they see."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.files import read_json, write_json
from pipeline.core.layout import FP32, INT8, int8_beside
from pipeline.core.params import STRICT, Threads, read_section
from pipeline.core.terminal import UserError, path_arguments, run_command, track
from pipeline.data.classes import to_metadata
from pipeline.records.versions import CHECKPOINT_TAG, ModelName, reference_beside


@dataclass(frozen=True, config=STRICT)
class ExportParams:
    """The registered model, and how closely the exported files must follow the checkpoint."""

    model_name: ModelName
    max_disagreement: Annotated[float, Field(ge=0, le=1)]  # share of the test pixels
    max_int8_miou_drop: Annotated[float, Field(ge=0, le=1)]
    calibration_images: Annotated[int, Field(gt=0, le=100_000)]
    threads: Threads  # on a CPU


def main() -> None:
    paths = {
        "data": "folder of pictures and masks, from extract",
        "splits": "folder of train.csv, test.csv and added pairs, from split",
        "models": "folder of checkpoint.pth and config.json",
        "scores": "JSON file of the test scores, from evaluate",
        "model": "ONNX file to write; .int8.onnx and .reference.json come beside it",
        "metrics": "JSON file for agreement, scores and sizes",
    }
    arguments = path_arguments("export", __doc__, paths)
    params = read_section("export", ExportParams)
    from pipeline.model.checkpoint import checkpoint_digest
    from pipeline.records.registry import register_model
    from pipeline.records.runs import checkpoint_run, open_store

    if not (scored := read_json(arguments.scores)):
        raise UserError(f"{arguments.scores} is missing: run the stage evaluate first")
    open_store()  # now, and not after all the work: without a store the stage cannot end
    digest = checkpoint_digest(arguments.models)
    metrics = export(arguments, params, digest)
    with checkpoint_run(digest, arguments.data) as run:
        run.set_tags({"export": params})
        run.log_metrics({"export": metrics})
        run.log_artifact(arguments.metrics, "metrics")
        register_model(run, arguments.model, {"test": scored, "export": metrics})


def export(paths: Namespace, params: ExportParams, digest: str) -> dict[str, Any]:
    """Write both files, what they reach and what they see, and return what they reach.

    digest: of the checkpoint. Raises UserError if the float32 file differs too much from it.
    """
    from pipeline.data.splits import read_split
    from pipeline.deploy.agreement import agreement
    from pipeline.deploy.onnx_export import export_onnx
    from pipeline.model.checkpoint import load_checkpoint
    from pipeline.model.engine import prepare_torch
    from pipeline.scoring.segmenter import Segmenter

    prepare_torch(seed=0, threads=1)  # in each of the threads that compare
    segmenter = Segmenter(*load_checkpoint(paths.models))
    files = {FP32: paths.model, INT8: int8_beside(paths.model)}
    export_onnx(files[FP32], segmenter, to_metadata(segmenter.classes) | {CHECKPOINT_TAG: digest})
    calibrate(files, paths.data, paths.splits, params.calibration_images)
    test = read_split(paths.splits / "test.csv")["name"].tolist()
    found = agreement(files, segmenter, paths.data, test, params.threads)
    metrics = export_metrics(found, files, params.max_int8_miou_drop)
    write_json(paths.metrics, metrics)
    require_agreement(metrics, files[FP32], params.max_disagreement)
    note_seen(files[FP32], paths.data, paths.splits, params.threads)
    return metrics


def note_seen(model: Path, data: Path, splits: Path, workers: int) -> None:
    """Write what the model sees of the test pictures, and of added ones that were held out."""
    from pipeline.data.splits import read_added, read_split
    from pipeline.monitoring.reference import write_reference

    lists = {data: read_split(splits / "test.csv"), splits: read_added(splits)}
    pairs = [(each, rows["name"].tolist()) for each, rows in lists.items() if rows is not None]
    write_reference(reference_beside(model), model, pairs, workers)


def calibrate(files: Mapping[str, Path], data: Path, splits: Path, number: int) -> None:
    """Write the INT8 file, with the value ranges of so many training images."""
    from pipeline.data.pairs import image_of
    from pipeline.data.splits import evenly_spaced, read_split
    from pipeline.deploy.int8 import export_int8

    names = evenly_spaced(read_split(splits / "train.csv")["name"].tolist(), number)
    with track(names, "calibrating", len(names)) as tracked:
        images = (image_of(name, splits, data) for name in tracked)
        export_int8(files[INT8], files[FP32], images)


def export_metrics(
    found: Mapping[str, Mapping[str, float]], files: Mapping[str, Path], allowed_drop: float
) -> dict[str, Any]:
    """The content of export.json: the float32 file's numbers, and below "int8" the other file's.

    The INT8 file is offered as the one to use unless its mIoU drops by more than allowed.
    """
    sized = {name: {**found[name], "bytes": file.stat().st_size} for name, file in files.items()}
    drop = round(found[FP32]["miou"] - found[INT8]["miou"], 6)
    return sized[FP32] | {INT8: {**sized[INT8], "miou_drop": drop, "offered": drop <= allowed_drop}}


def require_agreement(metrics: Mapping[str, Any], file: Path, allowed: float) -> None:
    """Raise UserError if the float32 file labels more pixels unlike the checkpoint than allowed."""
    if metrics["disagreement"] > allowed:
        raise UserError(
            f"{file} differs from the checkpoint in {metrics['disagreement']:.4%} of the"
            f" test pixels; export.max_disagreement allows {allowed:.4%}."
            " It was not registered."
        )


if __name__ == "__main__":
    run_command(main)
