"""Say how well the newest version, and the one it was compared with, do on added pairs.

`make retrain` runs it after `dvc repro` and the gate.
"""

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.core.layout import PAIRS, REVIEWED, SPLITS, cores
from pipeline.core.params import read_section
from pipeline.core.terminal import UserError, console, run_command, say

if TYPE_CHECKING:
    from pipeline.records.versions import Version

NAMED = 3  # features that moved


def main() -> None:
    argparse.ArgumentParser(prog="python -m tools.retrain", description=__doc__).parse_args()
    index = REVIEWED / "index.csv"
    if not index.is_file():
        console.print("Nobody has added pairs (docs/review.md).")
        return
    from pipeline.core.files import read_csv
    from pipeline.data.splits import read_added
    from pipeline.records.registry import GATE_TAGS
    from pipeline.records.versions import list_versions

    names = read_csv(index)["name"].tolist()
    versions = list_versions()
    if not versions:
        raise UserError("no version is registered yet: run `dvc repro`")
    newest, *others = versions
    against = newest.tags.get(f"{GATE_TAGS}against")
    compared = [each for each in others if str(each.number) == against]  # unless it was deleted
    held_out = read_added(SPLITS)
    number = 0 if held_out is None else len(held_out)
    told = [sentence(version, names) for version in (*compared, newest)]
    words = f"{len(names)} added pairs, {number} of them held out from training. {' '.join(told)}"
    say(words)


def sentence(version: "Version", names: list[str]) -> str:
    """Whether the pictures are unlike what the version was scored on, and how right it is there."""
    from pipeline.data.classes import read_classes
    from pipeline.deploy.predictor import Predictor
    from pipeline.monitoring.drift import MonitorParams, look
    from pipeline.monitoring.reference import make_reference, read_reference
    from pipeline.records.models import find_model, find_reference
    from pipeline.scoring.confusion import margins, mean_iou

    reference = read_reference(find_reference(version))
    predictor = Predictor(find_model(str(version.number), "fp32").file, threads=1)
    if predictor.classes.names != read_classes(PAIRS).names:
        return f"Version {version.number} knows other classes."
    seen = make_reference(predictor, REVIEWED, names, cores())
    rows = seen.pictures.assign(time=datetime.now(UTC))
    params = read_section("monitor", MonitorParams)
    window = look(rows, reference, params)
    features = "; ".join(map(str, window.moved[:NAMED])) or "the estimated mIoU has fallen"
    drift = f"unlike its test ({features})" if window.broken else "like its test"
    found = f"mIoU on them {mean_iou(margins(seen.confusion)):.3f}"
    if window.estimate:
        found = f"{found}, estimated {window.estimate.miou.estimate:.3f}"
    return f"To version {version.number} they are {drift}; {found}."


if __name__ == "__main__":
    run_command(main)
