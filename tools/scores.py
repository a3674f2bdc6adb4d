"""Print the scores that the last evaluation left in metrics/."""

import argparse
from collections.abc import Iterable, Mapping
from itertools import groupby
from math import isnan
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rich.table import Column, Table

from pipeline.core.files import read_csv, read_json
from pipeline.core.git import GitError, run_git
from pipeline.core.layout import CONFIG, EVALUATE_METRICS, LOCK, METRICS, PLOTS, TABLES
from pipeline.core.terminal import UserError, console, run_command
from pipeline.data.classes import Classes
from pipeline.model.settings import ModelConfig

NEXT_STEPS = """
What next:
  source .venv/bin/activate            dvc, mlflow and python of this project
  make report                          all about the model on one page
  make app                             try the model on your photographs in the browser
  make ui                              compare runs in the browser
  make visualize                       look at the data
  dvc exp run -S train.lr=0.001        try another setting, then: dvc exp show
  make oxford                          the same on the real photographs
"""
BASELINE = """
{changed} differ from the commit: by other params, or because this processor rounds differently.
To compare experiments with what is here now (dvc metrics diff, dvc plots diff), commit it:
  git commit --message "Baseline of this machine" dvc.lock metrics"""
MOST = 30  # scores of one kind, such as the classes' IoUs, that are all shown


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.scores", description=__doc__)
    parser.add_argument("--next", action="store_true", help="say what to do next")
    show_next = parser.parse_args().next
    metrics = read_json(existing(EVALUATE_METRICS))
    words, scores = read_scores(read_config().classes)
    shown = lowest(words, scores)
    columns = (Column(name, justify="right") for name in ("score", "95 % interval"))
    told = Table("", *columns, title=f"Test scores, {metrics['images']} pictures at their own size")
    for name in shown:
        value, low, high = scores[name].values()
        known = (f"{value:.4f}", f"{low:.4f} to {high:.4f}")
        told.add_row(words[name], *(("absent",) if isnan(value) else known))
    console.print(told)
    if more := len(words) - len(shown):
        console.print(f"{more} scores of classes that do better: {TABLES}/scores.csv")
    if reviewed := metrics.get("reviewed"):
        decisions = sum(reviewed["decisions"].values())
        score = f"{reviewed['miou']:.4f} ({decisions} decisions)"
        console.print(f"mIoU on the list as reviewed: {score}")
    console.print(f"pictures: {PLOTS}/evaluate/")
    if show_next:
        if changed := not_committed():
            console.print(BASELINE.format(changed=", ".join(changed)), highlight=False)
        console.print(NEXT_STEPS, highlight=False)


def lowest(names: Iterable[str], scores: Mapping[str, Any]) -> list[str]:
    """The names of scores, in their order; of more than MOST of one kind, the lowest MOST of it.

    What stands before the last dot is the kind. NaN counts as the highest.
    """
    values, shown = {name: row["value"] for name, row in scores.items()}, []
    for _, kind in groupby(names, key=lambda name: name.rpartition(".")[0]):
        every = list(kind)
        ordered = sorted(every, key=lambda name: (isnan(values[name]), values[name]))
        shown += ordered[:MOST] if len(every) > MOST else every
    return shown


def read_scores(classes: Classes) -> tuple[dict[str, str], dict[Any, dict[Any, float]]]:
    """The names for people of the headline scores, and all scores with their intervals.

    Raises UserError unless evaluate's table has all the scores of the model's classes.
    """
    from pipeline.scoring.tables import headline_words

    words = headline_words(classes)
    scores = read_csv(existing(TABLES / "scores.csv")).set_index("score").to_dict("index")
    if not words.keys() <= scores.keys():
        raise UserError(f"{TABLES} is of another model than {CONFIG}: run the pipeline (dvc repro)")
    return words, scores


def read_config() -> ModelConfig:
    """The model's config.json. Raises UserError if it is missing or not what train writes."""
    try:
        return TypeAdapter(ModelConfig).validate_json(existing(CONFIG).read_bytes())
    except ValidationError as error:
        raise UserError(f"{CONFIG} is not a model configuration: {error}") from None


def not_committed() -> list[str]:
    """What differs from HEAD of dvc.lock and the metrics; nothing where git knows no commit."""
    try:
        command = ("diff", "--name-only", "--relative", "HEAD", "--", str(LOCK), str(METRICS))
        return run_git(Path(), *command).decode().splitlines()
    except (GitError, OSError):
        return []


def existing(file: Path) -> Path:
    """The file, an output of the pipeline. Raises UserError if it is missing."""
    if not file.is_file():
        raise UserError(f"{file} is missing: run the pipeline first (dvc repro)")
    return file


if __name__ == "__main__":
    run_command(main)
