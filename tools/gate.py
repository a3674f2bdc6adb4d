"""The decision on a version: compared with the champion on the same test pictures."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from rich.table import Table

from pipeline.core.files import file_digest
from pipeline.core.params import read_section
from pipeline.core.terminal import console
from pipeline.data.splits import read_split
from pipeline.deploy.agreement import count_pixels
from pipeline.records.gate import (
    DATA,
    SCORE,
    Decision,
    contestants,
    data_name,
    decide_by_origin,
    settle,
)
from pipeline.records.model_files import find_model
from pipeline.records.registry import Version
from pipeline.records.store import Store
from pipeline.records.tables import fetch_table
from pipeline.scoring.confusion import Counts, mean_iou
from pipeline.scoring.paired import Change, Comparison, GateParams, compare, same_pictures
from pipeline.scoring.tables import counts_of

Versions = tuple[Version, Version]  # challenger and champion
Pair = tuple[Counts, Counts]  # their matrices of the same pictures


class NotRecordedError(Exception):
    """The runs do not hold both versions' results on the same pictures; the message says why."""


def read_params() -> GateParams:
    """The params.yaml section `gate`."""
    return read_section("gate", GateParams)


def run_gate(
    store: Store,
    params: GateParams,
    data: Path,
    splits: Path,
    *,
    number: int | None,
    dry_run: bool,
) -> Decision:
    """Decide on the version of the number, or the newest; a dry run leaves the registry as it is.

    data, splits: data/pets and data/splits, for scoring anew.
    """
    challenger, champion = contestants(store, number)
    decision = decide_by_origin(challenger, champion)
    if decision is None:
        assert champion is not None, "the first version is decided by its origin"
        decision = decide_by_scores(store, (challenger, champion), data, splits, params)
    if not dry_run:
        settle(store, decision, champion, number)
    return decision


def decide_by_scores(
    store: Store, versions: Versions, data: Path, splits: Path, params: GateParams
) -> Decision:
    """By the matrices that the evaluations recorded, else by those of scoring both anew."""
    challenger, champion = versions
    try:
        new, old = recorded_pair(store, versions)
    except NotRecordedError as reason:
        if not _is_data_set(data, champion):
            return Decision(
                challenger.number,
                False,
                f"{reason}, and {data} is not the data set of both ({data_name(champion)}), on "
                "which they could be scored anew: bring that back into the workspace (dvc repro, "
                "dvc checkout) and run the gate again",
            )
        console.print(f"{reason}: both are scored anew.", soft_wrap=True)
        new, old = score_anew(versions, data, names_to_score(store, challenger, splits))
    comparison = compare(new, old, params)
    console.print(comparison_table(comparison, params, versions))
    return verdict(comparison, params, versions)


def recorded_pair(store: Store, versions: Versions) -> Pair:
    """What the evaluations of both logged. Raises NotRecordedError if that does not compare."""
    challenger, champion = versions
    pair = same_pictures(recorded_table(store, challenger), recorded_table(store, champion))
    if pair is None:
        raise NotRecordedError(
            f"version {challenger.number} and the champion, version {champion.number}, "
            "were scored on different test pictures"
        )
    return pair


def recorded_table(store: Store, version: Version) -> pd.DataFrame:
    """The version's per_image.csv. Raises NotRecordedError if its run does not hold it.

    The table there may be of another evaluation, whose version is not registered or whose upload
    failed: it is the version's if it gives the mIoU that the version was registered with.
    """
    with TemporaryDirectory() as folder:
        file = fetch_table(store, version, "per_image.csv", Path(folder))
        table = None if file is None else pd.read_csv(file)
    run = f"the run of version {version.number} ({version.run_id[:8]})"
    if table is None:
        raise NotRecordedError(f"{run} holds no table of its test pictures")
    miou = mean_iou(counts_of(table).sum(axis=0))
    if not abs(miou - float(version.tags.get(SCORE, "nan"))) <= 1e-6:  # the tag is rounded
        raise NotRecordedError(f"{run} holds the table of another evaluation")
    return table


def names_to_score(store: Store, challenger: Version, splits: Path) -> list[str]:
    """The challenger's test list: of its table, else the workspace's."""
    try:
        return recorded_table(store, challenger)["name"].tolist()
    except NotRecordedError:
        return read_split(splits / "test.csv")["name"].tolist()


def score_anew(versions: Versions, data: Path, names: list[str]) -> Pair:
    """Both registered files on the named pictures.

    Both, since equal models can differ in a few pixels between PyTorch and ONNX Runtime.
    """
    files = [find_model(str(version.number), "fp32").file for version in versions]
    [(new, old)] = count_pixels(files, data, names)
    return new, old


def verdict(comparison: Comparison, params: GateParams, versions: Versions) -> Decision:
    """Whether the rule makes the challenger champion, with every number that it looked at."""
    challenger, champion = versions
    miou, objections = comparison.miou, comparison.objections(params)
    reasons = [
        f"test mIoU {miou.challenger:.4f} against {miou.champion:.4f} of the champion, version "
        f"{champion.number}, on the same {comparison.images} pictures, "
        f"{miou.gain:+.4f} ({_percent(params)} interval {_interval(miou)})",
        *(objections or ["no class drops by more than allowed"]),
    ]
    drops = {f"drop.{name}": -change.gain for name, change in comparison.iou.items()}
    numbers = {"gain": miou.gain, "gain_low": miou.low, "gain_high": miou.high, **drops}
    return Decision(
        challenger.number,
        not objections,
        "; ".join(reasons),
        {"images": comparison.images, **numbers},
    )


def comparison_table(comparison: Comparison, params: GateParams, versions: Versions) -> Table:
    """Both models' scores, how sure the difference is, and what the gate asks of it."""
    challenger, champion = versions
    title = (
        f"Version {challenger.number} against version {champion.number}, "
        f"on the same {comparison.images} test pictures"
    )
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in ("champion", "challenger", "change", f"{_percent(params)} interval", "accepted"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_row("mIoU", *_row(comparison.miou), f"> {params.min_gain:.4f}")
    for name, change in comparison.iou.items():
        table.add_row(name, *_row(change), f">= {0 - params.max_class_drop[name]:.4f}")
    return table


def _row(change: Change) -> tuple[str, ...]:
    scores = (f"{change.champion:.4f}", f"{change.challenger:.4f}")
    return (*scores, f"{change.gain:+.4f}", _interval(change))


def _percent(params: GateParams) -> str:
    return f"{params.confidence * 100:g} %"


def _interval(change: Change) -> str:
    return f"{change.low:+.4f} to {change.high:+.4f}"


def _is_data_set(data: Path, version: Version) -> bool:
    """Whether this is the data set that the version was trained on."""
    index = data / "index.csv"
    return index.is_file() and file_digest(index, "md5") == version.tags[DATA]
