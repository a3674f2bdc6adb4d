"""What two registered versions did on the same images, from their evaluations or scored again."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from pipeline.core.files import file_digest, read_csv
from pipeline.core.git import UNKNOWN
from pipeline.core.layout import INDEX, ONNX, PAIRS, SPLITS
from pipeline.core.terminal import say
from pipeline.data.splits import read_added, read_split
from pipeline.deploy.agreement import count_pixels
from pipeline.deploy.predictor import Predictor
from pipeline.records.models import find_model
from pipeline.records.runs import fetch_table
from pipeline.records.store import Store
from pipeline.records.versions import DATA_NAME_TAG, DATA_TAG, MIOU_TAG, ONNX_TAG, Version
from pipeline.scoring.bootstrap import Pair
from pipeline.scoring.confusion import mean_iou
from pipeline.scoring.tables import margins_of, paired_tables

FEWEST = 20  # added pairs held out, or test images of both: fewer decide nothing

Versions = tuple[Version, Version]  # challenger and champion


class NotRecordedError(Exception):
    """The runs do not hold both versions' results on the same images; the message says why."""


class NotComparableError(Exception):
    """No images tell which of the two versions is better; the message says why."""


def find_pair(store: Store, versions: Versions) -> Pair:
    """What both did on the same test images. Raises NotComparableError."""
    try:
        return recorded_pair(store, versions)
    except NotRecordedError as reason:
        champion = versions[1]
        if not INDEX.is_file() or file_digest(INDEX, "md5") != champion.tags[DATA_TAG]:
            raise NotComparableError(
                f"{reason}, and {PAIRS} is not the data set of both ({data_name(champion)}), on "
                "which they could be scored again: bring that back into the workspace (dvc repro, "
                "dvc checkout) and run the gate again"
            ) from None
        say(f"{reason}: both are scored again.")
        return score_again(store, versions)


def added_pair(versions: Versions) -> Pair | None:
    """What both do on the added pairs that were held out from the challenger's training.

    None if there are too few, or if the workspace, whose lists name them, holds another version.
    """
    added = read_added(SPLITS) if ONNX.is_file() else None
    if added is None or len(added) < FEWEST:
        return None
    if file_digest(ONNX) != versions[0].tags.get(ONNX_TAG):
        return None
    return count_both(versions, SPLITS, added["name"].tolist())


def recorded_pair(store: Store, versions: Versions) -> Pair:
    """The pair in the tables of both evaluations. Raises NotRecorded- or NotComparableError.

    If the test lists differ, only the images in both count: one model may have been trained on
    what only the other held out.
    """
    challenger, champion = versions
    new, old = (recorded_table(store, version) for version in versions)
    require_same_classes(margins_of(new)[1], margins_of(old)[1], versions)
    names = [{*table["name"]} for table in (new, old)]
    common = names[0] & names[1]
    if names[0] != names[1] and len(common) < FEWEST:
        shared = f"its test list shares {len(common)} images with that of the champion"
        difference = f"{shared}, version {champion.number}, which may have learned the others"
        raise NotComparableError(incomparable(difference, challenger))
    if pair := paired_tables(*(table[table["name"].isin(common)] for table in (new, old))):
        return pair
    numbers = f"version {challenger.number} and the champion, version {champion.number}"
    raise NotRecordedError(f"{numbers}, were scored on different masks")


def require_same_classes(new: Sequence[str], old: Sequence[str], versions: Versions) -> None:
    """Raise NotComparableError if the models give their masks' ids other names."""
    for place, (mine, its) in enumerate(zip_longest(new, old, fillvalue="none")):
        if mine != its:
            challenger, champion = versions
            first = f"the first that differs, {place}, is {mine} here and {its} there"
            difference = f"it has other classes than the champion, version {champion.number}"
            raise NotComparableError(incomparable(f"{difference} ({first})", challenger))


def recorded_table(store: Store, version: Version) -> pd.DataFrame:
    """The version's per_image.csv. Raises NotRecordedError if its run does not hold it.

    The table there may be of another evaluation, whose version is not registered or whose upload
    failed: it is the version's if it gives the mIoU that the version was registered with.
    """
    with TemporaryDirectory() as folder:
        file = fetch_table(store, version.run_id, "per_image.csv", Path(folder))
        table = None if file is None else read_csv(file)
    run = f"the run of version {version.number} ({version.run_id[:8]})"
    if table is None or not margins_of(table)[1]:
        raise NotRecordedError(f"{run} holds no table of its test images")
    miou = mean_iou(margins_of(table)[0].sum(axis=0))
    if not abs(miou - version.score(MIOU_TAG)) <= 1e-6:  # the tag is rounded
        raise NotRecordedError(f"{run} holds the table of another evaluation")
    return table


def score_again(store: Store, versions: Versions) -> Pair:
    """Score both models' files again, on the challenger's test list, else the workspace's.

    Both, since PyTorch and ONNX Runtime can differ in a few pixels for the same model.
    Raises NotComparableError.
    """
    try:
        table = recorded_table(store, versions[0])
    except NotRecordedError:
        table = read_split(SPLITS / "test.csv")
    return count_both(versions, PAIRS, table["name"].tolist())


def count_both(versions: Versions, data: Path, names: Sequence[str]) -> Pair:
    """Let both models label the named pairs in the folder. Raises NotComparableError."""
    files = [find_model(str(version.number), "fp32").file for version in versions]
    predictors = [Predictor(file, threads=1) for file in files]
    new, old = (predictor.classes.names for predictor in predictors)
    require_same_classes(new, old, versions)
    [counted] = count_pixels(predictors, data, names)
    return Pair(counted[0], counted[1], new)


def incomparable(difference: str, challenger: Version) -> str:
    by_hand = f"to put it in place all the same: make promote VERSION={challenger.number}"
    return f"{difference}, so that their scores do not compare; {by_hand}"


def data_name(version: Version) -> str:
    """Name and digest of the version's data set, for people: `oxford 5c4f3ee`."""
    return f"{version.tags.get(DATA_NAME_TAG, UNKNOWN)} {version.tags.get(DATA_TAG, UNKNOWN)[:7]}"
