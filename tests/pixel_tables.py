"""Hand-made tables of confusion counts, whose scores can be worked out on paper."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.scoring.confusion import margins, mean_iou
from pipeline.scoring.tables import margin_columns, margins_of

NAMES = [f"Bengal_{number}" for number in range(1, 21)]


def pixel_table(
    pet_missed: int | Sequence[int], border_missed: int = 100, names: Sequence[str] = tuple(NAMES)
) -> pd.DataFrame:
    """Images of 1000 pixels of pet, 2000 of background and 500 of border.

    So many pixels of pet (the same in all images, or one number an image) and of border are taken
    for background. With p and b of them in every image, the IoUs are 1 - p / 1000,
    2000 / (2000 + p + b), and 1 - b / 500.
    """
    counts = np.zeros((len(names), 3, 3), dtype=np.int64)
    counts[:, 0, 1] = pet_missed
    counts[:, 0, 0] = 1000 - counts[:, 0, 1]
    counts[:, 1, 1] = 2000
    counts[:, 2, 1] = border_missed
    counts[:, 2, 2] = 500 - border_missed
    return table_of(names, counts)


def table_of(names: Sequence[str], counts: np.ndarray) -> pd.DataFrame:
    """Return the columns of evaluate's per_image.csv that a comparison reads."""
    flat = margins(counts).reshape(len(names), -1)
    columns = margin_columns(("pet", "background", "border"))
    return pd.DataFrame({"name": names}).join(pd.DataFrame(flat, columns=columns))


def miou_of(table: pd.DataFrame) -> float:
    """The mIoU of the table's pixels, as evaluate writes it."""
    return round(float(mean_iou(margins_of(table)[0].sum(axis=0))), 6)
