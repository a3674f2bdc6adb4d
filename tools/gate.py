"""The gate's rule: whether a version is better than the champion on the same test images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass
from rich.table import Table

from pipeline.core.files import file_digest, read_json
from pipeline.core.git import UNKNOWN
from pipeline.core.layout import (
    CHECKPOINT,
    EVALUATE_METRICS,
    EXPORT_METRICS,
    INDEX,
    LOCK,
    METRICS,
    ONNX,
    PAIRS,
    PARAMS,
    PLOTS,
    TABLES,
)
from pipeline.core.params import STRICT, ParamsError, Seed
from pipeline.core.terminal import UserError, console
from pipeline.deploy.predictor import Predictor
from pipeline.records.lineage import locked_digests, locked_params, read_lock
from pipeline.records.packaging import exported_files
from pipeline.records.registry import (
    Decision,
    contestants,
    holds,
    register_model,
    settle,
    tags_of,
)
from pipeline.records.runs import checkpoint_run, find_run
from pipeline.records.store import Store
from pipeline.records.versions import CHECKPOINT_TAG, DATA_TAG, Version, list_versions
from pipeline.scoring.bootstrap import Change, Comparison, Pair, paired_bootstrap
from tools.pairing import (
    FEWEST,
    NotComparableError,
    Versions,
    added_pair,
    data_name,
    find_pair,
    incomparable,
)

NAMED = 5  # classes at most that a reason names; the others are counted
DECIMALS = 6  # that count: rounding errors of float64 must not turn "as much" into "more"
# The metrics files of the later stages, by the name that a run shows their numbers under.
FILES = {"test": EVALUATE_METRICS, "export": EXPORT_METRICS}

Share = Annotated[float, Field(ge=0, le=1)]


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


def register_restored(store: Store) -> None:
    """Register the exported file if `dvc repro` took it from a cache, so that no stage did.

    A version whose run was deleted gets a run again. Raises UserError for a file that is no model,
    or not the one that dvc.lock names: models come by DVC, their scores by git.
    """
    if not (ONNX.is_file() and CHECKPOINT.is_file()):
        return
    checkpoint = file_digest(CHECKPOINT)
    files = tags_of(ONNX, {})
    registered = any(holds(version, files) for version in list_versions(store.uri))
    if registered and find_run(store, checkpoint):
        return
    said = Predictor(ONNX, threads=1).session.get_modelmeta().custom_metadata_map
    if said.get(CHECKPOINT_TAG, checkpoint) != checkpoint:
        return  # of another training: export has yet to run
    lock = read_lock(Path())
    locked = locked_digests(lock)
    known = (CHECKPOINT, INDEX, *exported_files(ONNX).values(), *FILES.values())
    for file in filter(Path.is_file, known):
        if locked.get(file.as_posix(), digest := file_digest(file, "md5")) != digest:
            remedy = "dvc checkout, dvc pull or dvc repro first"
            raise UserError(f"{file} is not the one that {LOCK} names: {remedy}")
    scores = {name: read_json(file) for name, file in FILES.items()}
    with checkpoint_run(checkpoint, PAIRS) as run:
        run.log_metrics(scores)
        for file in filter(Path.is_file, FILES.values()):
            run.log_artifact(file, METRICS.name)
        for folder in filter(Path.is_dir, (TABLES, PLOTS / "evaluate")):
            run.log_artifact(folder, folder.relative_to(METRICS).as_posix())
        run.set_tags(locked_params(lock, ("evaluate", "export")))
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
    """The decision that needs no scores; None if they must decide."""
    number = challenger.number
    if champion is None:
        return Decision(number, True, "there was no champion")
    if champion.number == number:
        return Decision(number, True, "it is the champion already")
    if number <= champion.score("gate.newest"):
        by_hand = f"version {champion.number} was promoted by hand when this one was there already"
        return Decision(number, False, f"{by_hand}; to prefer it: make promote VERSION={number}")
    data = challenger.tags.get(DATA_TAG, UNKNOWN)
    if data != UNKNOWN and data == champion.tags.get(DATA_TAG):
        return None
    trained = f"it was trained on another data set ({data_name(challenger)}) than the champion"
    difference = f"{trained}, version {champion.number} ({data_name(champion)})"
    return Decision(number, False, incomparable(difference, challenger))


def decide_by_scores(store: Store, versions: Versions, params: GateParams) -> Decision:
    """Decide by the recorded evaluations, else by scoring both models again."""
    try:
        pair = find_pair(store, versions)
    except NotComparableError as reason:
        return Decision(versions[0].number, False, str(reason))
    params.check_classes(pair.classes)
    comparison, extra = compare(pair, params), added_pair(versions)
    added = compare(extra, params) if extra else None
    console.print(comparison_table(comparison, params, versions))
    return verdict(comparison, params, versions, added)


def compare(pair: Pair, params: GateParams) -> Comparison:
    """What both models of the pair scored, with the interval that the params ask for."""
    return paired_bootstrap(
        pair, confidence=params.confidence, resamples=params.resamples, seed=params.seed
    )


def verdict(
    comparison: Comparison, params: GateParams, versions: Versions, added: Comparison | None = None
) -> Decision:
    """The decision and its numbers. added: the comparison on held-out added pairs, if any."""
    challenger, champion = versions
    miou, against = comparison.miou, objections(comparison, params, added)
    numbers = _gains(comparison)
    numbers |= {f"drop.{name}": -change.gain for name, change in comparison.iou.items()}
    reasons = [
        f"test mIoU of {len(comparison.iou)} classes {miou.challenger:.4f} against "
        f"{miou.champion:.4f} of the champion, version {champion.number}, on the same "
        f"{comparison.images} images, "
        f"{miou.gain:+.4f} ({100 * params.confidence:g} % interval {_interval(miou)})"
    ]
    if added:
        reasons.append(
            f"on {added.images} added photographs that were held out {added.miou.challenger:.4f} "
            f"against {added.miou.champion:.4f}, {added.miou.gain:+.4f} ({_interval(added.miou)})"
        )
        numbers |= {f"added.{key}": value for key, value in _gains(added).items()}
    reasons += against or ["no class drops by more than allowed"]
    return Decision(challenger.number, not against, "; ".join(reasons), numbers)


def _gains(comparison: Comparison) -> dict[str, float]:
    miou = comparison.miou
    gains = {"gain": miou.gain, "gain_low": miou.low, "gain_high": miou.high}
    return {"images": comparison.images, **gains}


def objections(
    comparison: Comparison, params: GateParams, added: Comparison | None = None
) -> list[str]:
    """Why the challenger must not become champion; none: it is better.

    The gain must be sure, on the test list or on added pairs that were held out: the whole
    interval lies above `min_gain`, and is one of FEWEST images or more. On the test list no class
    may lose more than allowed. A drop counts as measured: no interval can show that a class lost
    nothing at all, and on a short list, where intervals are wide, asking for that would refuse
    nearly every better model.
    """
    found, drops = [], []
    lists = [each for each in (comparison, added) if each and each.images >= FEWEST]
    if not lists:
        found.append(f"{comparison.images} test images are too few to decide: {FEWEST} are needed")
    elif not any(round(each.miou.low, DECIMALS) > params.min_gain for each in lists):
        found.append(f"the interval is not above gate.min_gain, {params.min_gain:g}")
    for name, change in comparison.iou.items():
        drop, allowed = round(-change.gain, DECIMALS), params.allowed_drop(name)
        if not drop <= allowed:
            allows = f"gate.max_class_drop allows {allowed:g}"
            drops.append(f"IoU of {name} drops by {drop:g}, and {allows}")
    more = [f"so do {len(drops) - NAMED} more classes"] if len(drops) > NAMED else []
    return [*found, *drops[:NAMED], *more]


def comparison_table(comparison: Comparison, params: GateParams, versions: Versions) -> Table:
    """Both models' scores, how sure the difference is, and what the gate accepts."""
    numbers = f"Version {versions[0].number} against version {versions[1].number}"
    title = f"{numbers}, on the same {comparison.images} test images"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    header, *rows = comparison_rows(comparison, params)
    for column in header:
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def comparison_rows(comparison: Comparison, params: GateParams) -> Iterator[Sequence[str]]:
    """The header, then a row for the mIoU and for each class, as texts."""
    interval = f"{100 * params.confidence:g} % interval"
    yield "", "champion", "challenger", "change", interval, "accepted"
    yield "mIoU", *_row(comparison.miou), f"> {params.min_gain:.4f}"
    for name, change in comparison.iou.items():
        yield name, *_row(change), f">= {0 - params.allowed_drop(name):.4f}"


def _row(change: Change) -> list[str]:
    scores = [f"{change.champion:.4f}", f"{change.challenger:.4f}", f"{change.gain:+.4f}"]
    return [*scores, _interval(change)]


def _interval(change: Change) -> str:
    return f"{change.low:+.4f} to {change.high:+.4f}"
