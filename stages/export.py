"""Export the checkpoint to one ONNX file, prove that it gives the same masks, register it."""

import argparse
import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.data.pets import image_path, load_image, load_mask, mask_path
from pipeline.data.splits import read_split
from pipeline.deploy.onnx_graph import export_onnx
from pipeline.deploy.predictor import Predictor
from pipeline.files import write_json
from pipeline.model.checkpoint import checkpoint_digest, load_checkpoint
from pipeline.model.device import prepare_torch
from pipeline.model.segmenter import Segmenter
from pipeline.params import STRICT, read_section
from pipeline.records.registry import register_model
from pipeline.records.tracking import checkpoint_run
from pipeline.scoring.confusion import confusion_matrix, mean_iou
from pipeline.terminal import UserError, run_command, track


@dataclass(frozen=True, config=STRICT)
class ExportParams:
    """How closely the exported model must follow the checkpoint."""

    max_disagreement: Annotated[float, Field(ge=0, le=1)]  # share of the test pixels
    threads: Annotated[int, Field(gt=0)]  # on a CPU


def main() -> None:
    arguments = parse_arguments()
    params = read_section("export", ExportParams)
    prepare_torch(seed=0, threads=params.threads)
    network, config = load_checkpoint(arguments.models)
    segmenter = Segmenter(network, config)
    digest = checkpoint_digest(arguments.models)

    metadata = {"classes": json.dumps(config.classes), "checkpoint.sha256": digest}
    export_onnx(arguments.model, segmenter, metadata)
    predictor = Predictor(arguments.model, params.threads)
    names = read_split(arguments.splits / "test.csv")["name"].tolist()
    parity = compare(segmenter, predictor, arguments.pets, names, len(config.classes))
    parity["bytes"] = arguments.model.stat().st_size
    write_json(arguments.metrics, parity)
    require_agreement(parity["disagreement"], params.max_disagreement, arguments.model)

    with checkpoint_run(digest, arguments.pets) as run:
        run.set_tags({"export": params})
        run.log_metrics({"export": parity})
        run.log_artifact(arguments.metrics, "metrics")
        scores = {"test": json.loads(arguments.scores.read_text()), "export": parity}
        register_model(run, arguments.model, scores)


def compare(
    segmenter: Segmenter, predictor: Predictor, pets: Path, names: list[str], classes: int
) -> dict[str, float]:
    """Both models on the named pictures: the exported one's mIoU, and the share of pixels in which
    they differ, in [0, 1].
    """
    differing = 0
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    with track(names, "comparing", len(names)) as tracked:
        for name in tracked:
            photograph = load_image(image_path(pets, name))
            exported = predictor(photograph)
            original = segmenter.segment([torch.from_numpy(photograph)])[0].numpy()
            differing += int(np.count_nonzero(exported != original))
            truth = torch.from_numpy(load_mask(mask_path(pets, name)))
            counts += confusion_matrix(truth, torch.from_numpy(exported), classes)
    return {
        "miou": round(float(mean_iou(counts.numpy())), 6),
        "disagreement": differing / int(counts.sum()),
    }


def require_agreement(disagreement: float, allowed: float, model: Path) -> None:
    """Raise UserError if the exported model's masks are not the checkpoint's."""
    if disagreement > allowed:
        raise UserError(
            f"{model} differs from the checkpoint in {disagreement:.4%} of the test pixels;"
            f" export.max_disagreement allows {allowed:.4%}. It was not registered."
        )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stages.export", description=__doc__)
    parser.add_argument("pets", type=Path, help="folder of pictures and masks, from extract")
    parser.add_argument("splits", type=Path, help="folder with test.csv, from split")
    parser.add_argument("models", type=Path, help="folder of checkpoint.pth and config.json")
    parser.add_argument("scores", type=Path, help="JSON file of the test scores, from evaluate")
    parser.add_argument("model", type=Path, help="ONNX file to write")
    parser.add_argument("metrics", type=Path, help="JSON file for agreement and size")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
