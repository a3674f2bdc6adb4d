"""What is counted in each test image, and the pass that counts it: scores are sums of this.

Boundary IoU (Cheng et al. 2021, arXiv 2103.16562) says how well the outline is met, which IoU
hardly feels where the region is large: only the pixels of both masks within a distance d of the
mask's contour count, and IoU is taken of these.

Calibration (Guo et al. 2017, arXiv 1706.04599) says whether the model is right as often as it is
sure: pixels are sorted into bins by confidence, the probability of the class that was chosen. The
expected calibration error is the mean distance between a bin's accuracy and its mean confidence,
weighted by its pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.terminal import track
from pipeline.data.classes import IGNORE, Classes
from pipeline.data.pairs import pair_of
from pipeline.scoring.confusion import Counts, Margins, count_pairs, divide, margins

if TYPE_CHECKING:  # tables and comparisons of what was counted start without torch
    from torch import Tensor

    from pipeline.scoring.segmenter import Segmenter

BINS = 15  # of equal width from 0 to 1, as in the paper
DISTANCE = 0.02  # of the image's diagonal: the paper's choice

Bins = NDArray[np.float64]  # (..., BINS, 3): pixels, those that were right, sum of confidence
Region = NDArray[np.bool_]  # (H, W)
Image = NDArray[np.uint8]  # (H, W, 3) RGB
Mask = NDArray[np.uint8]  # (H, W) class ids, and IGNORE
Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Measured:
    """Of one image; or of N, with a leading dimension."""

    margins: Margins  # (C, 3) int64
    readings: Margins  # (K, 3) int64: of the K classes of all readings, one after the other
    boundary: NDArray[np.int64]  # (B, 2): pixels in both boundaries of an outlined class, in either
    bins: Bins  # (BINS, 3) float64
    brightness: NDArray[np.float64]  # mean of the image, in [0, 1]
    touches_frame: NDArray[np.bool_]  # whether true foreground or its rim reaches the image's edge
    confusion: Counts  # (C, C) int64: row = true class, column = predicted; of all images together


PER_IMAGE = [field.name for field in fields(Measured) if field.name != "confusion"]


def evaluate_images(
    segmenter: "Segmenter", names: Sequence[str], folders: Sequence[Path], batch_size: int
) -> Measured:
    """Segment the named images at their own sizes, and count everything for all N of them.

    Image and mask are taken from the first of the folders that has them.
    """

    def count(_: str, image: Image, mask: Mask, logits: "Tensor") -> Measured:
        return measure(image, mask, logits, segmenter.classes)

    shown = "evaluating batches"
    batches = look_at_images(segmenter, names, folders, batch_size, look=count, title=shown)
    # Stacked at once: of thousands of images, small arrays of each would take the most.
    return joined(np.concatenate, [joined(np.stack, batch) for batch in batches])


def look_at_images(
    segmenter: "Segmenter",
    names: Sequence[str],
    folders: Sequence[Path],
    batch_size: int,
    *,
    look: Callable[[str, Image, Mask, "Tensor"], Seen],
    title: str,
) -> Iterator[list[Seen]]:
    """Segment the named images at their own sizes; yield what `look` gives of each, by batches.

    `look` gets name, image, mask and the (C, H, W) logits, all of one size. Image and mask are
    taken from the first of the folders that has them. Only a batch of images is in memory at a
    time. The network runs on all threads that torch has here; before and after it each thread
    works on an image of its own.
    """
    import torch  # noqa: PLC0415

    def load(name: str) -> tuple[Image, Mask, "Tensor"]:
        image, mask = pair_of(name, *folders)
        return image, mask, segmenter.prepare(torch.from_numpy(image).to(segmenter.device))

    def see(name: str, image: Image, mask: Mask, logits: "Tensor") -> Seen:
        return look(name, image, mask, segmenter.enlarge(logits[None], *mask.shape)[0])

    threads = torch.get_num_threads()
    batches = [names[start : start + batch_size] for start in range(0, len(names), batch_size)]
    with (
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        track(batches, title, len(batches)) as tracked,
    ):
        for batch in tracked:
            images, masks, prepared = zip(*pool.map(load, batch), strict=True)
            yield list(pool.map(see, batch, images, masks, segmenter.logits(prepared)))


def measure(image: Image, truth: Mask, logits: "Tensor", classes: Classes) -> Measured:
    """Compare the (C, H, W) logits with the (H, W) true class ids of the (H, W, 3) image."""
    best, prediction = logits.max(dim=0)
    confidence = 1 / (logits - best).exp().sum(dim=0)  # the softmax of the largest
    predicted, scored = prediction.numpy(), truth != IGNORE
    ignored = None if scored.all() else ~scored
    confusion, right = count_pairs(truth, predicted, len(classes)), predicted == truth
    edge = np.concatenate([truth[0], truth[-1], truth[:, 0], truth[:, -1]])
    outlined = [
        boundary_counts(truth == place, predicted == place, ignored) for place in classes.outlined
    ]
    return Measured(
        margins=margins(confusion),
        readings=reading_margins(confusion, classes),
        boundary=np.array(outlined),
        bins=reliability_bins(confidence.numpy()[scored], right[scored]),
        brightness=np.asarray(image.mean() / 255),
        touches_frame=np.asarray(np.isin(edge, classes.with_role("foreground", "rim")).any()),
        confusion=confusion,
    )


def reading_margins(confusion: Counts, classes: Classes) -> Margins:
    """(..., C, C) to (..., K, 3): the margins of each class of each reading."""
    found = [np.zeros((*confusion.shape[:-2], 0, 3), np.int64)]
    for reading in classes.readings.values():
        left_out = [classes.names.index(name) for name in reading.leave_out]
        found.append(margins(confusion, classes.read_as(reading).values(), left_out))
    return np.concatenate(found, axis=-2)


def joined(join: Callable[[list[NDArray]], NDArray], measured: Sequence[Measured]) -> Measured:
    """Several as one: `np.stack` for single images, `np.concatenate` for several of each."""
    together = {name: join([getattr(each, name) for each in measured]) for name in PER_IMAGE}
    return Measured(**together, confusion=np.sum([each.confusion for each in measured], axis=0))


def boundary(region: Region) -> Region:
    """The pixels of the region within d of its contour: (H, W) bool.

    As in the authors' code: distances are king's moves, d is rounded and at least one pixel, and
    the image's edge bounds the region too.
    """
    # Needed only here: tables and paired comparisons start without it.
    from scipy.ndimage import distance_transform_cdt  # noqa: PLC0415

    if not region.any():  # as most of many classes
        return region
    height, width = region.shape
    distance = max(1, round(DISTANCE * float(np.hypot(height, width))))
    to_outside = distance_transform_cdt(np.pad(region, 1), metric="chessboard")[1:-1, 1:-1]
    return region & (to_outside <= distance)


def boundary_counts(
    truth: Region, prediction: Region, ignored: Region | None = None
) -> NDArray[np.int64]:
    """Pixels in both boundaries, and in either: (2,) int64, which adds up over images.

    Ignored pixels are not counted, and where they begin there is no contour: it is not known.
    """
    if ignored is None:
        one, other = boundary(truth), boundary(prediction)
    else:
        one, other = (boundary(each | ignored) & ~ignored for each in (truth, prediction))
    return np.array([np.count_nonzero(one & other), np.count_nonzero(one | other)])


def reliability_bins(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> Bins:
    """The bins of one image, from each pixel's confidence in [0, 1] and whether it was right."""
    place = np.minimum((confidence.ravel() * BINS).astype(np.intp), BINS - 1)
    sums = np.bincount(place, confidence.ravel(), BINS)
    pixels, hits = np.bincount(place, minlength=BINS), np.bincount(place[right.ravel()], None, BINS)
    return np.stack([pixels, hits, sums], axis=-1)


def calibration_error(bins: Bins) -> NDArray[np.float64]:
    """The expected calibration error in [0, 1], of added-up bins: (...,); NaN without a pixel."""
    pixels, hits, sums = np.moveaxis(bins, -1, 0)
    return divide(np.abs(hits - sums).sum(axis=-1), pixels.sum(axis=-1))


def reliability_table(bins: Bins) -> pd.DataFrame:
    """One row for each bin with pixels: its mean confidence, accuracy, and share of the pixels."""
    pixels, hits, sums = bins[bins[:, 0] > 0].T
    table = {"confidence": sums / pixels, "accuracy": hits / pixels, "share": pixels / pixels.sum()}
    return pd.DataFrame(table).round(6)
