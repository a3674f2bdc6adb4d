"""What becomes of the masks that come back from an annotation tool: decisions, and added pairs."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipeline.core.git import committer
from pipeline.core.layout import LABELS, PAIRS, SPLITS
from pipeline.core.terminal import UserError, say
from pipeline.data.classes import IGNORE, Classes, read_classes
from pipeline.data.images import decode_image, image_format, open_image
from pipeline.data.pairs import mask_of, mask_path
from pipeline.data.reviewed import Verdict
from pipeline.data.splits import read_split
from pipeline.ingest.additions import FOLDER, Addition, add_pair, read_additions
from pipeline.ingest.annotation import Drawn, Mask, mask_png
from pipeline.ingest.archives import extract_archive, is_zip
from pipeline.ingest.cvat import LABELMAP, read_cvat
from pipeline.ingest.decisions import Held, Review, change, held
from pipeline.ingest.inventory import is_unusual
from pipeline.ingest.label_studio import read_label_studio
from pipeline.ingest.reviews import differing_sizes, mask_digests
from pipeline.ingest.vocabulary import Reason
from pipeline.monitoring.log import KEPT

ADDED, BEFORE, UNTOUCHED = "added", "taken before", "not annotated"
ORDER = (Verdict.RIGHT, Verdict.FILE, ADDED, BEFORE, UNTOUCHED)


@dataclass(frozen=True)
class Desk:
    """What is needed to judge masks that come back."""

    classes: Classes
    digests: dict[str, str]  # of the published masks, by the name of their pair
    testing: set[str]  # the names in the test list
    reviewer: str
    tool: str  # "CVAT", "Label Studio"
    reason: str
    log: Path | None  # the prediction log that has pictures that the file lacks


def import_file(file: Path, reason: str, log: Path | None) -> int:
    """Take each mask in the file; print how many became what, and all that were not taken.

    Returns the exit status: 1 if a mask was not taken. Raises UserError for a file that is neither
    tool's, and for an archive that is damaged or hostile; nothing is taken then.
    """
    classes = read_classes(PAIRS)
    testing = set(read_split(SPLITS / "test.csv")["name"])
    counts: Counter[str] = Counter()
    faults = []
    with drawn_in(file, classes) as (tool, masks):
        words = " ".join(reason.split())
        digests, reviewer = mask_digests(PAIRS), committer(Path())
        desk = Desk(classes, digests, testing, reviewer, tool, words, log)
        for drawn in masks:
            try:
                counts[take(drawn, desk)] += 1
            except UserError as error:
                faults.append(f"{drawn.name}: {error}")
    told = ", ".join(f"{counts[word]} {word}" for word in ORDER if counts[word])
    lines = [f"{file}: {told or 'nothing taken'}", *(f"not taken: {fault}" for fault in faults)]
    for line in lines:
        say(line)
    return 1 if faults else 0


@contextmanager
def drawn_in(file: Path, classes: Classes) -> Iterator[tuple[str, Iterator[Drawn]]]:
    """The tool that wrote the file, and the masks in it. Raises UserError."""
    with TemporaryDirectory() as name:
        folder, tasks = Path(name), file
        if is_zip(file):
            extract_archive(file, folder, "Export it again")
            if found := sorted(folder.rglob(LABELMAP)):
                yield "CVAT", read_cvat(found[0].parent, classes)
                return
            if len(found := sorted(folder.rglob("*.json"))) != 1:
                raise UserError(f"{file}: no {LABELMAP} of CVAT, and no JSON of Label Studio")
            tasks = found[0]
        yield "Label Studio", read_label_studio(tasks, folder, classes)


def take(drawn: Drawn, desk: Desk) -> str:
    """Write what becomes of the mask; one of ORDER. Raises UserError."""
    if drawn.fault:
        raise UserError(drawn.fault)
    if drawn.mask is None:
        return UNTOUCHED
    if (drawn.mask == IGNORE).all():
        raise UserError(Reason.MASK_IGNORED)
    if drawn.name in desk.digests:
        return take_decision(drawn.name, drawn.mask, desk)
    return take_addition(drawn.name, drawn.mask, drawn.image, desk)


def take_decision(name: str, mask: Mask, desk: Desk) -> str:
    """Decide about the pair: its mask is right if this one is the same, else this one is."""
    published = mask_of(name, PAIRS)
    _require_size(mask, published.shape[:2])
    same = np.array_equal(mask, published)
    if not same and name in desk.testing and not desk.reason:
        raise UserError("it changes a mask of the test list: say why (--reason)")
    content = None if same else mask_png(mask, desk.classes)
    verdict = Verdict.RIGHT if same else Verdict.FILE
    before, digest = held(LABELS, name), desk.digests[name]
    if before.review is not None and before.review.mask_sha256 == digest:
        if before.review.verdict is verdict and before.mask == content:
            return BEFORE
        before = Held()  # so that it is not overwritten
    elif before.review is not None and before.mask is not None:
        told = "labels/ has a mask for another mask of this name, of an earlier version or data set"
        raise UserError(f"{told}: commit it, and remove its row from review.csv and its file")
    review = Review(name, digest, str(verdict), desk.reviewer, desk.reason)
    change(LABELS, name, before, Held(review, content))
    return verdict


def take_addition(name: str, mask: Mask, image: Path | None, desk: Desk) -> str:
    """Add the picture and its mask to the training list's pairs."""
    if is_unusual(name):
        raise UserError("it is no pair, and no name for one")
    if image is None and desk.log is not None:
        image = desk.log / KEPT / f"{name}.jpg"
    if image is None or not image.is_file():
        raise UserError("it is no pair, and its picture is not here")
    open_image(image)  # as extract will
    _require_size(mask, decode_image(image).shape[:2])
    if image_format(image) not in ("JPEG", "MPO"):  # with a second picture behind the first
        raise UserError("its picture is no JPEG")
    content = mask_png(mask, desk.classes)
    if name in read_additions(LABELS):
        if mask_path(LABELS / FOLDER, name).read_bytes() == content:
            return BEFORE
        raise UserError("it has been added already, with another mask")
    addition = Addition(name, desk.classes.dataset, desk.tool, desk.reviewer)
    add_pair(LABELS, addition, image.read_bytes(), content)
    return ADDED


def _require_size(mask: Mask, size: tuple[int, ...]) -> None:
    if mask.shape != size:
        raise UserError(differing_sizes(mask.shape, size))
