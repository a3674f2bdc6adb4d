"""Find suspicious labels: pairs whose mask a model disputes that was not trained on them."""

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.files import atomic_folder, locked, write_csv
from pipeline.core.layout import MODELS, PAIRS, SPLITS, SUSPECTS, cache_folder, in_repository
from pipeline.core.params import STRICT, Seed, read_section
from pipeline.core.terminal import UserError, console, run_process, say

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from pipeline.scoring.segmenter import Segmenter

Judged = tuple[Path, "pd.DataFrame"]  # the folder of a model, and the rows that it judges

SHOWN = 12  # pairs in the terminal
REVIEWED_MASKS = SPLITS / "masks"  # that training takes in the place of published ones
WAITING = "This model is being trained already: waiting for its end."
ITSELF = (
    "The training list is judged by the model that was trained on it, which has learned part of its"
    " mistakes: labels.folds in params.yaml asks models that were not."
)


@dataclass(frozen=True, config=STRICT)
class LabelsParams:
    """The params.yaml section `labels`."""

    # Models that judge the training list: each what it was not trained on. 0: the model itself.
    folds: Literal[0] | Annotated[int, Field(ge=2, le=100)]


def rank() -> None:
    """Write table, masks and sheets to metrics/labels, and copy them to the model's run."""
    params = read_section("labels", LabelsParams)
    engine = read_section("evaluate", dict[str, Any])
    from pipeline.data.classes import read_classes
    from pipeline.data.splits import read_split
    from pipeline.model.checkpoint import checkpoint_digest
    from pipeline.model.engine import prepare_torch
    from pipeline.records.runs import checkpoint_run
    from pipeline.scoring.suspects import TABLE

    lists = {name: read_split(SPLITS / f"{name}.csv") for name in ("test", "val", "train")}
    lists["train"] = published(lists["train"])
    device = prepare_torch(seed=0, threads=engine["threads"])
    if load_judge(MODELS, device).classes.names != read_classes(PAIRS).names:
        raise UserError(f"{MODELS} holds a model of other classes: train first (dvc repro train)")
    with checkpoint_run(checkpoint_digest(MODELS), PAIRS) as run:
        run.set_tags({"labels": params})
    judges = {name: [(MODELS, rows)] for name, rows in lists.items()}
    if params.folds:
        judges["train"] = [*judge_folds(lists, params.folds, run.run_id)]
    else:
        say(ITSELF)
    with atomic_folder(SUSPECTS) as folder:
        table = write_ranking(folder, judges, engine["batch_size"], device)
    with checkpoint_run(checkpoint_digest(MODELS), PAIRS) as run:
        run.log_artifact(SUSPECTS / TABLE, "labels")
        run.log_artifact(SUSPECTS / "sheets", "labels/sheets")
    print_first(table)


def published(table: "pd.DataFrame") -> "pd.DataFrame":
    """The rows without the pairs that people added, whose masks they have judged already."""
    from pipeline.data.pairs import locate

    return table[[locate("image", name, PAIRS).exists for name in table["name"]]]


def write_ranking(
    folder: Path, judges: Mapping[str, list[Judged]], batch_size: int, device: "torch.device"
) -> "pd.DataFrame":
    """Have each list judged, by the models it names; write and return the ranking."""
    from pipeline.scoring.suspects import TABLE, draw_suspects, find_suspects, ranked

    found: dict[str, list[pd.DataFrame]] = {name: [] for name in judges}
    for name, parts in judges.items():
        for models, rows in parts:
            judge = load_judge(models, device)
            found[name].append(find_suspects(judge, PAIRS, rows, batch_size, folder))
    table = ranked(found)
    write_csv(folder / TABLE, table)
    (folder / "sheets").mkdir()
    for name, sheet in draw_suspects(PAIRS, folder, table, judge.classes):
        sheet.save(folder / "sheets" / f"{name}.png")
    return table


def load_judge(models: Path, device: "torch.device") -> "Segmenter":
    """A trained model that looks at each image both ways."""
    from pipeline.model.checkpoint import load_checkpoint
    from pipeline.scoring.segmenter import BothWays, Segmenter

    network, config = load_checkpoint(models)
    return Segmenter(BothWays(network), config).to(device)


def judge_folds(lists: Mapping[str, "pd.DataFrame"], folds: int, run_id: str) -> Iterator[Judged]:
    """Train a model without each fold of the training list; yield its folder and the fold.

    A model of the same pairs, params and code is not trained again. Runs are nested in `run_id`.
    """
    from pipeline.data.classes import FILE
    from pipeline.model.resume import training_key
    from pipeline.model.settings import ModelParams
    from pipeline.records.runs import nested_in

    seed: int = read_section("seed", Seed)
    model = read_section("model", ModelParams)
    train = read_section("train", dict[str, Any])
    apart = read_section("split", dict[str, Any])["by"] == "apart"
    fold_of = deal(lists["train"], folds, seed, apart)
    weights = [in_repository(model.weights)] if model.weights else []
    for fold in range(folds):
        parts = {
            "train": lists["train"][fold_of != fold],
            "val": lists["val"],
            "test": lists["train"][fold_of == fold],
        }
        names = [rows["name"].tolist() for rows in parts.values()]
        files = [PAIRS / "index.csv", PAIRS / FILE, *weights, *sorted(REVIEWED_MASKS.glob("*"))]
        key = training_key(seed, model, train, names, files=files)
        tags = {"labels.fold": f"{fold + 1} of {folds}"}
        console.print(f"The training list, fold {tags['labels.fold']}:", highlight=False)
        folder = cache_folder("labels") / key[:32]
        train_fold(folder, parts, nested_in(run_id, tags))
        yield folder, parts["test"]


def deal(table: "pd.DataFrame", folds: int, seed: int, apart: bool) -> "pd.Series":
    """The fold of each row, 0 to `folds` - 1: each fold gets its share of each group.

    apart: whole groups instead, as split.by says. The group is the table's first; which fold a
    picture gets is decided by sha256 of "SEED:NAME". Raises UserError for too few pictures.
    """
    import numpy as np
    import pandas as pd

    def order(text: str) -> str:
        return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()

    groups = table.iloc[:, 1] if table.shape[1] > 1 else pd.Series("", table.index)
    units = groups if apart else table["name"]
    if units.nunique() < folds:
        what = "groups" if apart else "pictures"
        raise UserError(f"labels.folds: {folds} is more than the training list has {what}")
    if apart:
        places = {unit: place for place, unit in enumerate(sorted(set(units), key=order))}
        return groups.map(places) % folds
    ordered = pd.DataFrame({"group": groups, "order": units.map(order)})
    ordered = ordered.sort_values(["group", "order"])
    return pd.Series(np.arange(len(table)) % folds, ordered.index).reindex(table.index)


def train_fold(
    folder: Path, lists: Mapping[str, "pd.DataFrame"], environment: Mapping[str, str]
) -> None:
    """Run the train stage on the lists, unless it has: checkpoint and config go to the folder.

    Killed, the same command continues it after its last whole epoch, as DVC's would. Raises
    UserError if it fails; it has said why.
    """
    with locked(folder.with_suffix(".lock"), WAITING):
        if folder.exists():
            return
        with atomic_folder(folder) as made:
            for name, rows in lists.items():
                write_csv(made / "splits" / f"{name}.csv", rows)
            if REVIEWED_MASKS.is_dir():
                shutil.copytree(REVIEWED_MASKS, made / "splits" / REVIEWED_MASKS.name)
            paths = [PAIRS, made / "splits", made, made / "train.json", made / "plots"]
            command = [sys.executable, "-m", "stages.train", *map(str, paths)]
            if run_process(command, os.environ | environment):
                raise UserError("the labels were not ranked: a training failed, see above")


def print_first(table: "pd.DataFrame") -> None:
    """The first pairs of the ranking, and where the rest is."""
    from rich.table import Column, Table
    from rich.text import Text

    told = Table("pair", "list", "kind", *(Column(n, justify="right") for n in ("score", "pixels")))
    shown = table[["name", "list", "kind", "score", "share"]].head(SHOWN)
    for name, split, kind, score, share in shown.itertuples(index=False):
        told.add_row(Text(name), split, kind, f"{score:.3f}", f"{share:.1%}")
    console.print(told)
    console.print(f"{len(table)} pairs, and sheets of the first: {SUSPECTS}", highlight=False)
