"""Which pairs and photographs go to an annotation tool, and with which masks."""

import io
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.core.layout import LABELS, PAIRS, SUSPECTS, cores
from pipeline.core.terminal import UserError, say, track
from pipeline.data.classes import Classes, read_classes
from pipeline.data.images import decode_image
from pipeline.data.pairs import locate, mask_of
from pipeline.deploy.predictor import Predictor
from pipeline.ingest.additions import read_additions
from pipeline.ingest.annotation import Proposal
from pipeline.ingest.cvat import write_cvat
from pipeline.ingest.decisions import read_reviews
from pipeline.ingest.label_studio import write_label_studio
from pipeline.ingest.reviews import decided_names, mask_digests
from pipeline.monitoring.log import kept_pictures
from pipeline.records.models import find_model
from pipeline.scoring.suspects import read_suspects

STALE = f"{SUSPECTS} ranks the pairs of another data set: rank these (make labels)"
WRITERS = {"cvat": write_cvat, "label-studio": write_label_studio}


def export_pairs(out: Path, form: str, first: int, split: str | None) -> None:
    """Write the most suspicious pairs that nobody has decided about, with their published masks.

    form: one of WRITERS. split: pairs of this list alone. Raises UserError if there are none.
    """
    names = undecided(split)[:first]
    proposals = (
        Proposal(name, locate("image", name, PAIRS).read(), mask_of(name, PAIRS)) for name in names
    )
    _write(out, form, names, proposals, read_classes(PAIRS))


def undecided(split: str | None) -> list[str]:
    """The names of the ranking, the most suspicious first, without a decision that holds."""
    table, digests = read_suspects(SUSPECTS), mask_digests(PAIRS)
    require_ranking(table["name"], digests)
    if split:
        table = table[table["list"] == split]
    decided = decided_names(read_reviews(LABELS), digests)
    return [name for name in table["name"] if name in digests and name not in decided]


def require_ranking(names: Iterable[str], digests: Container[str]) -> None:
    """Raise UserError if none of the ranked pairs is one of the data set."""
    ranked = [*names]
    if ranked and not any(name in digests for name in ranked):
        raise UserError(STALE)


def export_photographs(out: Path, form: str, first: int, log: Path) -> None:
    """Write photographs of a log that are no pairs yet, with the champion's masks.

    Raises UserError if there are none, or if the champion knows other classes.
    """
    classes, known = read_classes(PAIRS), {*read_additions(LABELS), *mask_digests(PAIRS)}
    found = find_model()
    model = Predictor(found.file, cores(), found.version).tried()
    require_classes(model, classes)
    files = [file for file in kept_pictures(log) if file.stem not in known][:first]
    _write(out, form, [file.stem for file in files], _predicted(files, model), classes)


def _predicted(files: Iterable[Path], model: Predictor) -> Iterator[Proposal]:
    for file in files:
        try:
            content = file.read_bytes()
        except FileNotFoundError:  # a server deletes the oldest
            continue
        mask = model.predict(decode_image(io.BytesIO(content)), confident=False).mask
        yield Proposal(file.stem, content, mask)


def require_classes(model: Predictor, classes: Classes) -> None:
    """Raise UserError for a model of another data set."""
    if model.classes.names != classes.names:
        raise UserError(f"This model knows other classes than the data set {classes.dataset}")


def _write(
    out: Path, form: str, names: Sequence[str], proposals: Iterable[Proposal], classes: Classes
) -> None:
    if not names:
        raise UserError("there is nothing to write: everything here has been decided about")
    with track(proposals, f"writing {out.name}", len(names)) as tracked:
        WRITERS[form](out, tracked, classes)
    say(f"{len(names)} pictures: {out}")
