"""Measure the evaluation, with everything it counts, beside the network's forward pass alone."""

from itertools import cycle, islice

import torch

from benchmarks.measure import Rate, Work, measure_in_turn, parse, repeated, report
from pipeline.core.layout import MODELS, PETS, SPLITS
from pipeline.core.terminal import console, run_command
from pipeline.data.images import load_image
from pipeline.data.pets import image_path
from pipeline.data.splits import read_split
from pipeline.model.checkpoint import load_checkpoint
from pipeline.model.engine import launch
from pipeline.scoring.measure import evaluate_images
from pipeline.scoring.segmenter import Segmenter

BATCH = 16  # images, as in params.yaml
HELD = 256  # images ready for the network in memory, on the forward side


def main() -> None:
    arguments = parse("evaluating", __doc__, torch.get_num_threads(), 5)
    fabric = launch(1, "fp32", arguments.threads, seed=0)
    segmenter = Segmenter(*load_checkpoint(MODELS)).to(fabric.device)
    names = read_split(SPLITS / "test.csv")["name"].tolist()
    works = {
        "forward": forward_alone(segmenter, names[:HELD]),
        "evaluation": whole_evaluation(segmenter, names),
    }
    seconds = 0.0 if arguments.quick else 4.0
    rates = {name: Rate(fabric, work, BATCH, seconds) for name, work in works.items()}
    samples = measure_in_turn(rates, arguments.repeats)
    report("Images per second", samples, cost, **vars(arguments))


def cost(medians: dict[str, float]) -> dict[str, float]:
    """How many times as long as the forward pass alone the evaluation takes."""
    return {"evaluation.cost": medians["forward"] / medians["evaluation"]}


def forward_alone(segmenter: Segmenter, names: list[str]) -> Work:
    """The network on images that are decoded and resized before."""
    images = (torch.from_numpy(load_image(image_path(PETS, name))) for name in names)
    endless = cycle([segmenter.prepare(image.to(segmenter.device)) for image in images])
    return repeated(lambda: segmenter.logits(list(islice(endless, BATCH))))


def whole_evaluation(segmenter: Segmenter, names: list[str]) -> Work:
    """From the files to the counts, without tables, plots and start-up."""
    endless = cycle(names)

    def work(steps: int) -> None:
        console.quiet = True  # one progress bar is enough
        try:
            evaluate_images(segmenter, PETS, list(islice(endless, steps * BATCH)), BATCH)
        finally:
            console.quiet = False

    return work


if __name__ == "__main__":
    run_command(main)
