"""Pictures whose truth, masks and confidences are drawn: a log's rows and a reference of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tiny_pets import PETS

from pipeline.monitoring.observation import observe
from pipeline.monitoring.reference import Reference, count, true_shares

SIZE = (24, 32)


@dataclass(frozen=True)
class Seen:
    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    confidence: NDArray[np.uint8]


def pictures(number: int, seed: int = 0, brightness: float = 1.0) -> list[Seen]:
    """The model is right as often as it says; how sure it is differs from picture to picture."""
    random = np.random.default_rng(seed)
    return [_picture(random, brightness) for _ in range(number)]


def _picture(random: np.random.Generator, brightness: float) -> Seen:
    level = random.uniform(60, 180)
    image = random.normal(level, 20, (*SIZE, 3)) + np.linspace(20, -20, SIZE[0])[:, None, None]
    mask = random.choice(3, SIZE, p=random.dirichlet((4, 6, 2))).astype(np.uint8)
    confidence = 255 * random.beta(*random.choice([(12, 1), (6, 2)]), SIZE)
    right = random.uniform(0, 255, SIZE) < confidence
    truth = np.where(right, mask, (mask + random.integers(1, 3, SIZE)) % 3).astype(np.uint8)
    pixels = (image * brightness).clip(0, 255).astype(np.uint8)
    return Seen(pixels, truth, mask, confidence.astype(np.uint8))


def log_rows(seen: Sequence[Seen]) -> pd.DataFrame:
    """One row a minute."""
    rows = [observe(each.image, each.mask, each.confidence, PETS) for each in seen]
    times = pd.date_range("2025-05-01", periods=len(rows), freq="min", tz="UTC")
    return pd.DataFrame(rows).assign(time=times)


def make_reference(seen: Sequence[Seen]) -> Reference:
    rows = log_rows(seen).drop(columns="time")
    counts = [count(each.truth, each.mask, each.confidence, len(PETS)) for each in seen]
    truth = pd.DataFrame([true_shares(each[2], PETS.names) for each in counts])
    totals = (np.sum(each, axis=0) for each in zip(*counts, strict=True))
    return Reference(list(PETS.names), rows.astype(float).join(truth), *totals)
