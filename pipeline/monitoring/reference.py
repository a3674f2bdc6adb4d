"""What a version saw when it was scored, and how right it was: later pictures are compared with it.

Its test pictures are noted as the prediction log would note them; those that people added and that
were held out from training make a reference of their own.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.files import write_file
from pipeline.core.terminal import UserError, track
from pipeline.data.pairs import pair_of
from pipeline.deploy.predictor import Array, Predictor
from pipeline.monitoring.observation import LEVEL, LEVEL_OF, LEVELS, observe
from pipeline.scoring.confusion import Counts, count_pairs

COUNTS = ("pixels", "right", "confusion")
TRUE, RIGHT = "true.", "right."  # the beginnings of columns


@dataclass(frozen=True)
class Reference:
    """What one version saw at its evaluation, and how right it was."""

    classes: list[str]
    # A row for each test picture: an observation, and the shares of its scored pixels that belong
    # to each class (true.NAME), and that do and are labelled so (right.NAME).
    pictures: pd.DataFrame
    # The test pixels, at the pictures' own size, without ignored ones.
    pixels: NDArray[np.int64]  # (C, LEVELS): by predicted class and level of confidence
    right: NDArray[np.int64]  # (C, LEVELS): those of them that were right
    confusion: Counts  # (C, C): row = true class, column = predicted
    added: "Reference | None" = field(default=None, kw_only=True)  # of added photographs

    @property
    def features(self) -> pd.DataFrame:
        """The columns of the pictures that are compared with a log's."""
        others = (LEVEL, TRUE, RIGHT)
        return self.pictures[[name for name in self.pictures if not str(name).startswith(others)]]


def write_reference(
    file: Path, model: Path, pairs: Sequence[tuple[Path, Sequence[str]]], workers: int
) -> None:
    """Let the exported model label pictures, and write what it saw.

    pairs: folder and names of the test pictures, and perhaps those of added ones. The model must
    give its confidence. Equal inputs give equal bytes.
    """
    predictor = Predictor(model, threads=1)  # the workers fill the cores
    test, *added = (make_reference(predictor, *each, workers) for each in pairs)
    save_reference(file, replace(test, added=added[0]) if added else test)


def make_reference(
    predictor: Predictor, data: Path, names: Sequence[str], workers: int
) -> Reference:
    """What the model sees of the named pairs in the folder."""
    classes = predictor.classes

    def look(name: str) -> tuple[dict[str, float | None], list[np.ndarray]]:
        image, truth = pair_of(name, data)
        mask, confidence, _ = predictor.predict(image)
        assert confidence is not None, "the model does not give its confidence"
        counts = count(truth, mask, confidence, len(classes))
        seen = observe(image, mask, confidence, classes)
        return seen | true_shares(counts[2], classes.names), counts

    rows: list[dict[str, float | None]] = []
    totals: list[NDArray[np.int64]] = [np.zeros(1, np.int64)] * len(COUNTS)
    with (
        ThreadPoolExecutor(workers) as pool,
        track(pool.map(look, names), "noting what it sees", len(names)) as tracked,
    ):
        for seen, counts in tracked:
            rows.append(seen)
            totals = [total + own for total, own in zip(totals, counts, strict=True)]
    return Reference(list(classes.names), pd.DataFrame(rows), *totals)


def save_reference(file: Path, reference: Reference) -> None:
    """Write it as JSON."""
    write_file(file, json.dumps(_to_json(reference)) + "\n")


def _to_json(reference: Reference) -> dict[str, Any]:
    pictures = reference.pictures.astype(object).where(reference.pictures.notna(), None)
    content = {"classes": reference.classes, "pictures": pictures.to_dict("list")}
    content |= {name: getattr(reference, name).tolist() for name in COUNTS}
    return content | ({"added": _to_json(reference.added)} if reference.added else {})


def count(truth: Array, mask: Array, confidence: Array, classes: int) -> list[np.ndarray]:
    """Count one picture for a `Reference`, from three (H, W) uint8 arrays of one shape."""
    scored = truth < classes
    true, found = truth[scored], mask[scored]
    cells = found * np.int64(LEVELS) + LEVEL_OF[confidence[scored]]
    pixels = np.bincount(cells, minlength=classes * LEVELS).reshape(classes, LEVELS)
    right = np.bincount(cells[true == found], minlength=classes * LEVELS).reshape(classes, LEVELS)
    return [pixels, right, count_pairs(truth, mask, classes)]


def true_shares(confusion: Counts, classes: Sequence[str]) -> dict[str, float]:
    """The columns true.NAME and right.NAME of a picture, from its (C, C) confusion."""
    pixels = max(1, int(confusion.sum()))
    kinds = ((TRUE, confusion.sum(axis=1)), (RIGHT, confusion.diagonal()))
    return {
        f"{start}{name}": round(number / pixels, 6)
        for start, numbers in kinds
        for name, number in zip(classes, numbers.tolist(), strict=True)
    }


def read_reference(file: Path) -> Reference:
    """Raises UserError for a file that is not what `save_reference` writes."""
    try:
        return _from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is not a model's reference: {error!r}") from None


def _from_json(content: dict[str, Any]) -> Reference:
    counts = (np.array(content[key], np.int64) for key in COUNTS)
    pictures = pd.DataFrame(content["pictures"]).astype(float)
    added = _from_json(content["added"]) if "added" in content else None
    return Reference(content["classes"], pictures, *counts, added=added)


def mixed(reference: Reference, share: float) -> Reference:
    """The reference as if this share of its pictures, in [0, 1], were added ones.

    As many pictures as possible of each kind, evenly spaced; counts in proportion.
    """
    assert reference.added is not None, "there is nothing to mix"
    weighted = ((reference, 1 - share), (reference.added, share))
    most = min(len(part.pictures) / weight for part, weight in weighted if weight)
    parts = [_thinned(part, round(most * weight)) for part, weight in weighted]
    counts = (sum(getattr(part, name) for part in parts) for name in COUNTS)
    pictures = pd.concat([part.pictures for part in parts if len(part.pictures)], ignore_index=True)
    return Reference(reference.classes, pictures, *counts)


def _thinned(reference: Reference, number: int) -> Reference:
    """As if there were so many pictures."""
    whole = len(reference.pictures)
    rows = reference.pictures.iloc[np.linspace(0, whole - 1, number).round().astype(int)]
    counts = (np.rint(getattr(reference, name) * (number / whole)).astype(int) for name in COUNTS)
    return Reference(reference.classes, rows, *counts)
