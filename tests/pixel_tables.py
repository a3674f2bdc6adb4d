"""Hand-made tables of counted pixels, whose scores can be worked out on paper."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.scoring.confusion import Margins, mean_iou
from pipeline.scoring.tables import margin_columns, margins_of

NAMES = [f"Bengal_{number}" for number in range(1, 21)]
CLASSES = ("pet", "background", "border")


def pixel_table(
    pet_missed: int | Sequence[int],
    border_missed: int = 100,
    names: Sequence[str] = tuple(NAMES),
    classes: Sequence[str] = CLASSES,
) -> pd.DataFrame:
    """Images of 1000 pixels of pet, 2000 of background and 500 of border.

    So many pixels of pet (the same in all images, or one number an image) and of border are taken
    for background. With p and b of them in every image, the IoUs are 1 - p / 1000,
    2000 / (2000 + p + b), and 1 - b / 500. `classes` gives these three other names.
    """
    missed = np.broadcast_to(pet_missed, len(names))
    counted = np.zeros((len(names), 3, 3), dtype=np.int64)
    counted[..., 0] = 1000, 2000, 500
    counted[:, 0, 1:] = 1000 - missed[:, None]
    counted[:, 1, 1:] = 2000
    counted[:, 1, 1] += missed + border_missed
    counted[:, 2, 1:] = 500 - border_missed
    return table_of(names, counted, classes)


def table_of(
    names: Sequence[str], counted: Margins, classes: Sequence[str] = CLASSES
) -> pd.DataFrame:
    """The columns of evaluate's per_image.csv that a comparison reads, from (N, C, 3) margins."""
    flat = counted.reshape(len(names), -1)
    return pd.DataFrame({"name": names}).join(pd.DataFrame(flat, columns=margin_columns(classes)))


def miou_of(table: pd.DataFrame) -> float:
    """The mIoU of the table's pixels, as evaluate writes it."""
    return round(float(mean_iou(margins_of(table)[0].sum(axis=0))), 6)
