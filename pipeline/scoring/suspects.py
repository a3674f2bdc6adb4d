"""Labels that a model disputes: how strongly, and what seems to be wrong with them.

The errors of a good model are thin: they follow outlines, which nobody draws alike twice. Mistakes
of a label are thick. So each disputed pixel counts by the model's lead: how much likelier it holds
its own class than the label's (the normalised margin of confident learning, Northcutt et al. 2021,
arXiv 1911.00068). It counts fully only where the dispute is thick, and is compared with the size of
the object: half of a small one is as wrong as half of a large one. A label that would fit if it
were moved is wrong as a whole, however little the move is: no error of a model looks like that.
What the same model disputes elsewhere is the measure of how unusual a dispute is.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.terminal import UserError
from pipeline.data.classes import IGNORE, Classes
from pipeline.data.images import save_mask
from pipeline.data.pairs import mask_of, mask_path, pair_of
from pipeline.scoring.confusion import Counts, count_pairs
from pipeline.scoring.measure import Image, Mask, Region, look_at_images
from pipeline.scoring.pictures import draw_comparison

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from torch import Tensor

    from pipeline.scoring.segmenter import Segmenter

SWAPPED, ONE_CLASS, SHIFTED = "classes swapped", "empty or full", "shifted"
PART_MISSING, ANOTHER, RIM = "part missing", "another object", "rim"
KINDS = (SWAPPED, ONE_CLASS, SHIFTED, PART_MISSING, ANOTHER, RIM)

THICK = 0.01  # of the diagonal: half the thickness from which on a dispute is thick
THIN = 0.05  # what a pixel of a thin dispute counts
HALF = 0.5  # what one counts that either side calls a rim, which is half an object
SMALLEST = 0.01  # of the pixels: an object counts as at least so large
USUAL = 0.9  # the quantile of a model's disputes that is still usual
LEAST = 0.02  # less is never unusual
EXPLAINED = 0.5  # more than this share of a dispute must vanish with the mistake that explains it
IN_VIEW = 0.75  # at least this share of a region must still be in the image where it is moved to
TOO_MUCH = 0.25  # where a part is missing, the label has at most so much that is too much

A_SHEET = 12  # pairs
SHEETS = 10  # of each list
TABLE = "suspects.csv"


class Dispute(NamedTuple):
    """What a model has against one mask."""

    kind: str  # one of KINDS
    strength: float  # at least 0; about 1 if the model is sure that all of the object is wrong
    share: float  # of the scored pixels, those disputed


def find_suspects(
    segmenter: "Segmenter", data: Path, rows: pd.DataFrame, batch_size: int, folder: Path
) -> pd.DataFrame:
    """A split list's rows with kind, score and share; the model's masks go to `folder`/masks.

    The score is in [0, 1): 0.5 for a dispute as strong as the strongest usual one of this model.
    """
    import torch  # noqa: PLC0415

    classes = segmenter.classes

    def look(name: str, _: Image, label: Mask, logits: "Tensor") -> Dispute:
        probabilities = logits.softmax(dim=0)
        likeliest, seen = probabilities.max(dim=0)
        named = torch.from_numpy(np.where(label == IGNORE, 0, label)).long()
        lead = likeliest - probabilities.gather(0, named[None])[0]
        file, predicted = mask_path(folder, name), seen.to(torch.uint8).numpy()
        file.parent.mkdir(parents=True, exist_ok=True)
        save_mask(file, predicted, classes.palette)
        return judge(label, predicted, lead.numpy(), classes)

    names = rows["name"].tolist()
    shown = "judging batches"
    batches = look_at_images(segmenter, names, [data], batch_size, look=look, title=shown)
    kinds, strengths, shares = zip(*(each for batch in batches for each in batch), strict=True)
    return rows.assign(kind=kinds, score=unusual(np.array(strengths)), share=shares)


def unusual(strengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores in [0, 1) from the strengths (N,) of one model's disputes; up to 0.5 is usual."""
    return strengths / (strengths + max(float(np.quantile(strengths, USUAL)), LEAST))


def judge(label: Mask, seen: Mask, lead: NDArray[np.float32], classes: Classes) -> Dispute:
    """Compare a label with the mask that a model sees, and say what seems to be wrong with it.

    lead: (H, W) in [0, 1], the probability of the seen class less that of the label's.
    """
    scored = label != IGNORE
    disputed = (label != seen) & scored
    thick = thick_parts(disputed)
    pixels = max(1, int(np.count_nonzero(scored)))
    # Background that nobody disputes says nothing about the object.
    whole = scored & (disputed | ~np.isin(label, classes.with_role("background")))
    size = max(float(np.count_nonzero(whole)), SMALLEST * pixels)
    rim = np.isin([label, seen], classes.with_role("rim")).any(axis=0)
    weights = np.where(thick, 1, THIN) * np.where(rim, HALF, 1)
    strength = float((lead * weights)[disputed].sum()) / size
    kind = kind_of(label, seen, thick, classes)
    if kind == SHIFTED:
        strength = float(lead[disputed].mean())
    return Dispute(kind, strength, np.count_nonzero(disputed) / pixels)


def thick_parts(region: Region) -> Region:
    """What is left of the region without all that is narrower than a square of side 2 d + 1.

    d is THICK of the diagonal, and at least one pixel; the region is mirrored
    beyond the image's edge.
    """
    from scipy.ndimage import maximum_filter, minimum_filter  # noqa: PLC0415 - as in `boundary`

    side = 2 * max(1, round(THICK * float(np.hypot(*region.shape)))) + 1
    return maximum_filter(minimum_filter(region.view(np.uint8), side), side).astype(bool)


def kind_of(label: Mask, seen: Mask, thick: Region, classes: Classes) -> str:
    """The kind of mistake that explains the thick parts of a dispute; RIM if there are none."""
    if not thick.any():
        return RIM
    counts = count_pairs(label, seen, len(classes))
    rims, ground = classes.with_role("rim"), classes.with_role("background")
    if np.count_nonzero(np.delete(counts.sum(axis=1), rims)) <= 1:
        return ONE_CLASS
    if are_swapped(counts):
        return SWAPPED
    disputed = count_pairs(label[thick], seen[thick], len(classes))
    of_class = disputed.sum(axis=0) + disputed.sum(axis=1)
    if len(rims + ground) < len(classes):
        of_class[rims + ground] = 0
    if not of_class.any():
        return RIM
    place = int(of_class.argmax())
    return kind_of_object(label == place, (seen == place) & (label != IGNORE), thick)


def kind_of_object(label: Region, seen: Region, thick: Region) -> str:
    """The same for one class, where it is labelled and where the model sees it."""
    if is_shifted(label, seen):
        return SHIFTED
    missing = np.count_nonzero(seen & ~label & thick)
    too_much = np.count_nonzero(label & ~seen & thick)
    mostly_right = 2 * np.count_nonzero(label & seen) >= np.count_nonzero(label)
    return PART_MISSING if mostly_right and too_much <= TOO_MUCH * missing else ANOTHER


def are_swapped(counts: Counts) -> bool:
    """Whether the swapping of two classes would end most of the dispute of (C, C) counts.

    Most of what is labelled as either must be seen as the other; one of them may be labelled
    nowhere, when all of a class has the wrong name.
    """
    labelled = counts.sum(axis=1, keepdims=True)
    taken = (2 * counts > labelled) | (labelled == 0)
    between = np.triu(counts + counts.T, 1) * (taken & taken.T)
    dispute = counts.sum() - np.trace(counts)
    return bool(between.max() > EXPLAINED * dispute)


def is_shifted(label: Region, seen: Region) -> bool:
    """Whether most of the dispute ends when the labelled region moves to where it fits best.

    That is where it shares most pixels with the seen one. Only what is in the image before and
    after the move is compared, as nobody knows what moves in at an edge: IN_VIEW of both regions.
    """
    from scipy.signal import fftconvolve  # noqa: PLC0415

    if not (label.any() and seen.any()):
        return False
    shared = fftconvolve(seen.astype(np.float32), label[::-1, ::-1].astype(np.float32))
    best = np.unravel_index(shared.argmax(), shared.shape)
    moves = [int(place) - side + 1 for place, side in zip(best, label.shape, strict=True)]
    there = tuple(slice(max(0, move), min(0, move) or None) for move in moves)
    here = tuple(slice(max(0, -move), min(0, -move) or None) for move in moves)
    before = np.count_nonzero(label[there] != seen[there])
    after = np.count_nonzero(label[here] != seen[there])
    stays = min(label[here].sum() / label.sum(), seen[there].sum() / seen.sum())
    return bool(stays >= IN_VIEW and before - after > EXPLAINED * before)


def ranked(lists: dict[str, list[pd.DataFrame]]) -> pd.DataFrame:
    """The results of `find_suspects`, by list, as one table, the most suspicious pair first."""
    tables = [table.assign(list=name) for name, found in lists.items() for table in found]
    table = pd.concat(tables).sort_values(["score", "name"], ascending=[False, True])
    names = table.pop("list")
    table.insert(1, "list", names)
    return table.round(6).reset_index(drop=True)


def read_suspects(folder: Path) -> pd.DataFrame:
    """The table of a ranking, the most suspicious pair first: see `ranked`. Groups are texts."""
    file = folder / TABLE
    if not file.is_file():
        raise UserError(f"{file} is missing: rank the labels first (make labels)")
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    return table.astype({"score": float, "share": float})


def draw_suspects(
    data: Path, folder: Path, table: pd.DataFrame, classes: Classes
) -> Iterator[tuple[str, "Picture"]]:
    """The most suspicious pairs of each list, a name and a sheet at a time: (test-01, ...)."""
    for split, rows in table.groupby("list", sort=False):
        for start in range(0, min(len(rows), A_SHEET * SHEETS), A_SHEET):
            page = rows.iloc[start : start + A_SHEET]
            yield f"{split}-{start // A_SHEET + 1:02}", draw_page(data, folder, page, classes)


def draw_page(data: Path, folder: Path, rows: pd.DataFrame, classes: Classes) -> "Picture":
    """Photograph, mask, the model's mask and the disagreement of each row of a ranking."""
    shown = rows[["name", "kind", "score", "share"]].itertuples(index=False)
    captions = [
        text
        for name, kind, score, share in shown
        for text in (name, kind, f"score {score:.3f}", f"{share:.1%} of the pixels")
    ]
    compared = ((*pair_of(name, data), mask_of(name, folder)) for name in rows["name"])
    headings = ("photograph", "mask", "model's mask", "disagreement")
    return draw_comparison(compared, captions, headings, classes)
