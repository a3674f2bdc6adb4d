"""The gate's rule: whether a version is better than the champion on the same test images."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass
from rich.table import Table

from pipeline.core.files import file_digest, read_csv, read_json
from pipeline.core.git import UNKNOWN
from pipeline.core.layout import (
    CHECKPOINT,
    EVALUATE_METRICS,
    EXPORT_METRICS,
    INDEX,
    METRICS,
    ONNX,
    PAIRS,
    PARAMS,
    PLOTS,
    SPLITS,
    TABLES,
)
from pipeline.core.params import STRICT, ParamsError, Seed
from pipeline.core.terminal import console, printable
from pipeline.data.splits import read_split
from pipeline.deploy.agreement import count_pixels
from pipeline.deploy.predictor import Predictor
from pipeline.records.lineage import locked_params, read_lock
from pipeline.records.models import find_model
from pipeline.records.registry import Decision, contestants, register_model, settle
from pipeline.records.runs import checkpoint_run, fetch_table, find_run
from pipeline.records.store import Store
from pipeline.records.versions import DATA_NAME_TAG, DATA_TAG, MIOU_TAG, Version, find_version
from pipeline.scoring.confusion import mean_iou
from pipeline.scoring.paired import Change, Comparison, Pair, paired_bootstrap, paired_tables
from pipeline.scoring.tables import margins_of

NAMED = 5  # classes at most that a reason names; the others are counted
DECIMALS = 6  # that count: rounding errors of float64 must not turn "as much" into "more"
# The metrics files of the later stages, by the name that a run shows their numbers under.
FILES = {"test": EVALUATE_METRICS, "export": EXPORT_METRICS}

Share = Annotated[float, Field(ge=0, le=1)]
Versions = tuple[Version, Version]  # challenger and champion


@dataclass(frozen=True, config=STRICT)
class GateParams:
    """What a challenger must show to become champion; gain and drops are differences of IoU."""

    confidence: Annotated[float, Field(gt=0, lt=1)]  # of the interval, both ends
    resamples: Annotated[int, Field(ge=100, le=1_000_000)]  # of the test images, for the interval
    seed: Seed  # of the resamples
    min_gain: Share  # of the mIoU: the interval must lie above it
    max_class_drop: Share | dict[str, Share]  # of each class; or by class, the others by nothing

    def allowed_drop(self, name: str) -> float:
        """How much IoU the class may lose."""
        drops = self.max_class_drop
        return drops.get(name, 0.0) if isinstance(drops, dict) else drops

    def check_classes(self, classes: Sequence[str]) -> None:
        """Raise ParamsError if a drop is allowed to what is no class of the models."""
        drops = self.max_class_drop
        for name in drops if isinstance(drops, dict) else ():
            if name not in classes:
                known = f"it is no class of the models; known: {', '.join(classes)}"
                raise ParamsError(f"{PARAMS}: gate.max_class_drop.{name}: {known}")


class NotRecordedError(Exception):
    """The runs do not hold both versions' results on the same images; the message says why."""


class NotComparableError(Exception):
    """No images tell which of the two versions is better; the message says why."""


def register_restored(store: Store) -> None:
    """Register the exported file if `dvc repro` took it from a cache, so that no stage did.

    A version whose run was deleted gets a run again.
    """
    if not ONNX.is_file():
        return
    checkpoint = file_digest(CHECKPOINT)
    if find_version(store.uri, file_digest(ONNX)) and find_run(store, checkpoint):
        return
    scores = {name: read_json(file) for name, file in FILES.items()}
    with checkpoint_run(checkpoint, PAIRS) as run:
        run.log_metrics(scores)
        for file in filter(Path.is_file, FILES.values()):
            run.log_artifact(file, METRICS.name)
        for folder in filter(Path.is_dir, (TABLES, PLOTS / "evaluate")):
            run.log_artifacts(folder, folder.relative_to(METRICS).as_posix())
        run.set_tags(locked_params(read_lock(Path()), ("evaluate", "export")))
        register_model(run, ONNX, scores)


def run_gate(store: Store, params: GateParams, *, number: int | None, dry_run: bool) -> Decision:
    """Decide on the version of the number, or the newest; a dry run changes nothing."""
    challenger, champion = contestants(store, number)
    decision = decide_by_origin(challenger, champion)
    if decision is None:
        assert champion is not None, "the first version is decided by its origin"
        decision = decide_by_scores(store, (challenger, champion), params)
    if not dry_run:
        settle(store, decision, champion, number)
    return decision


def decide_by_origin(challenger: Version, champion: Version | None) -> Decision | None:
    """The decision that needs no scores; None if they must decide.

    The first version is champion, and models of different data sets cannot be compared.
    """
    number = challenger.number
    if champion is None:
        return Decision(number, True, "there was no champion")
    if champion.number == number:
        return Decision(number, True, "it is the champion already")
    data = challenger.tags.get(DATA_TAG, UNKNOWN)
    if data != UNKNOWN and data == champion.tags.get(DATA_TAG):
        return None
    trained = f"it was trained on another data set ({_data_name(challenger)}) than the champion"
    difference = f"{trained}, version {champion.number} ({_data_name(champion)})"
    return Decision(number, False, _incomparable(difference, challenger))


def _incomparable(difference: str, challenger: Version) -> str:
    by_hand = f"to put it in place all the same: make promote VERSION={challenger.number}"
    return f"{difference}, so that their scores do not compare; {by_hand}"


def decide_by_scores(store: Store, versions: Versions, params: GateParams) -> Decision:
    """By what the evaluations recorded, else by scoring both models again."""
    try:
        pair = find_pair(store, versions)
    except NotComparableError as reason:
        return Decision(versions[0].number, False, str(reason))
    params.check_classes(pair.classes)
    comparison = paired_bootstrap(
        pair, confidence=params.confidence, resamples=params.resamples, seed=params.seed
    )
    console.print(comparison_table(comparison, params, versions))
    return verdict(comparison, params, versions)


def find_pair(store: Store, versions: Versions) -> Pair:
    """What both did on the same test images. Raises NotComparableError."""
    try:
        return recorded_pair(store, versions)
    except NotRecordedError as reason:
        champion = versions[1]
        if not INDEX.is_file() or file_digest(INDEX, "md5") != champion.tags[DATA_TAG]:
            raise NotComparableError(
                f"{reason}, and {PAIRS} is not the data set of both ({_data_name(champion)}), on "
                "which they could be scored again: bring that back into the workspace (dvc repro, "
                "dvc checkout) and run the gate again"
            ) from None
        told = printable(f"{reason}: both are scored again.")
        console.print(told, markup=False, soft_wrap=True)
        return score_again(store, versions)


def recorded_pair(store: Store, versions: Versions) -> Pair:
    """The pair in the tables of both evaluations. Raises NotRecorded- or NotComparableError."""
    new, old = (recorded_table(store, version) for version in versions)
    require_same_classes(margins_of(new)[1], margins_of(old)[1], versions)
    if pair := paired_tables(new, old):
        return pair
    numbers = f"version {versions[0].number} and the champion, version {versions[1].number}"
    raise NotRecordedError(f"{numbers}, were scored on different test images")


def require_same_classes(new: Sequence[str], old: Sequence[str], versions: Versions) -> None:
    """Raise NotComparableError if the models give their masks' ids other names."""
    for place, (mine, its) in enumerate(zip_longest(new, old, fillvalue="none")):
        if mine != its:
            challenger, champion = versions
            first = f"the first that differs, {place}, is {mine} here and {its} there"
            difference = f"it has other classes than the champion, version {champion.number}"
            raise NotComparableError(_incomparable(f"{difference} ({first})", challenger))


def verdict(comparison: Comparison, params: GateParams, versions: Versions) -> Decision:
    """The decision by the rule, with every number that it rests on."""
    challenger, champion = versions
    miou, against = comparison.miou, objections(comparison, params)
    reasons = [
        f"test mIoU of {len(comparison.iou)} classes {miou.challenger:.4f} against "
        f"{miou.champion:.4f} of the champion, version {champion.number}, on the same "
        f"{comparison.images} images, "
        f"{miou.gain:+.4f} ({100 * params.confidence:g} % interval {_interval(miou)})",
        *(against or ["no class drops by more than allowed"]),
    ]
    drops = {f"drop.{name}": -change.gain for name, change in comparison.iou.items()}
    numbers = {"gain": miou.gain, "gain_low": miou.low, "gain_high": miou.high}
    numbers = {"images": comparison.images} | numbers | drops
    return Decision(challenger.number, not against, "; ".join(reasons), numbers)


def objections(comparison: Comparison, params: GateParams) -> list[str]:
    """Why the challenger must not become champion; none: it is better.

    The gain must be sure: the whole interval lies above `min_gain`. A class's drop counts as
    measured: no interval can show that a class lost nothing at all, and on a short list, where
    intervals are wide, asking for that would refuse nearly every better model.
    """
    found, drops = [], []
    if not round(comparison.miou.low, DECIMALS) > params.min_gain:
        found.append(f"the interval is not above gate.min_gain, {params.min_gain:g}")
    for name, change in comparison.iou.items():
        drop, allowed = round(-change.gain, DECIMALS), params.allowed_drop(name)
        if not drop <= allowed:
            allows = f"gate.max_class_drop allows {allowed:g}"
            drops.append(f"IoU of {name} drops by {drop:g}, and {allows}")
    more = [f"so do {len(drops) - NAMED} more classes"] if len(drops) > NAMED else []
    return [*found, *drops[:NAMED], *more]


def recorded_table(store: Store, version: Version) -> pd.DataFrame:
    """The version's per_image.csv. Raises NotRecordedError if its run does not hold it.

    The table there may be of another evaluation, whose version is not registered or whose upload
    failed: it is the version's if it gives the mIoU that the version was registered with.
    """
    with TemporaryDirectory() as folder:
        file = fetch_table(store, version, "per_image.csv", Path(folder))
        table = None if file is None else read_csv(file)
    run = f"the run of version {version.number} ({version.run_id[:8]})"
    if table is None or not margins_of(table)[1]:
        raise NotRecordedError(f"{run} holds no table of its test images")
    miou = mean_iou(margins_of(table)[0].sum(axis=0))
    if not abs(miou - version.score(MIOU_TAG)) <= 1e-6:  # the tag is rounded
        raise NotRecordedError(f"{run} holds the table of another evaluation")
    return table


def score_again(store: Store, versions: Versions) -> Pair:
    """The pair of both files on the challenger's test list, else the workspace's.

    Both, since equal models can differ in a few pixels between PyTorch and ONNX Runtime.
    Raises NotComparableError.
    """
    try:
        table = recorded_table(store, versions[0])
    except NotRecordedError:
        table = read_split(SPLITS / "test.csv")
    files = [find_model(str(version.number), "fp32").file for version in versions]
    new, old = (Predictor(file, threads=1).classes.names for file in files)
    require_same_classes(new, old, versions)
    [counted] = count_pixels(files, PAIRS, table["name"].tolist())
    return Pair(counted[0], counted[1], new)


def comparison_table(comparison: Comparison, params: GateParams, versions: Versions) -> Table:
    """Both models' scores, how sure the difference is, and what the gate accepts."""
    numbers = f"Version {versions[0].number} against version {versions[1].number}"
    title = f"{numbers}, on the same {comparison.images} test images"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    interval = f"{100 * params.confidence:g} % interval"
    for column in ("champion", "challenger", "change", interval, "accepted"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_row("mIoU", *_row(comparison.miou), f"> {params.min_gain:.4f}")
    for name, change in comparison.iou.items():
        table.add_row(name, *_row(change), f">= {0 - params.allowed_drop(name):.4f}")
    return table


def _row(change: Change) -> list[str]:
    scores = [f"{change.champion:.4f}", f"{change.challenger:.4f}", f"{change.gain:+.4f}"]
    return [*scores, _interval(change)]


def _interval(change: Change) -> str:
    return f"{change.low:+.4f} to {change.high:+.4f}"


def _data_name(version: Version) -> str:
    """Name and digest of the version's data set, for people: `oxford 5c4f3ee`."""
    return f"{version.tags.get(DATA_NAME_TAG, UNKNOWN)} {version.tags.get(DATA_TAG, UNKNOWN)[:7]}"
