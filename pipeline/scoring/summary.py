"""From one confusion matrix per image to tables and headline numbers."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.data.pets import CLASSES
from pipeline.scoring.confusion import Counts, dice, iou, mean_iou, merge, pixel_accuracy, rounded

# One column a cell: `pet_as_border` counts the pet pixels that were called border.
COUNT_COLUMNS = [f"{truth}_as_{prediction}" for truth in CLASSES for prediction in CLASSES]
# Pet and border together against the background: a customary reading of this data set.
PET_WITH_BORDER = ((0, 2), (1,))


def per_image_table(images: pd.DataFrame, counts: Counts) -> pd.DataFrame:
    """The table with the columns COUNT_COLUMNS and `miou` added; counts is (N, C, C)."""
    flat = pd.DataFrame(counts.reshape(len(images), -1), columns=COUNT_COLUMNS, index=images.index)
    return images.join(flat).assign(miou=mean_iou(counts).round(6))


def counts_of(table: pd.DataFrame) -> Counts:
    """The (N, C, C) int64 matrices that `per_image_table` wrote into the table."""
    return table[COUNT_COLUMNS].to_numpy(np.int64).reshape(-1, len(CLASSES), len(CLASSES))


def headline(counts: Counts) -> dict[str, Any]:
    """The scores of a data set from its images' (N, C, C) matrices, rounded to six decimals.

    All are of the summed matrix, in which every pixel weighs the same, but for
    `per_image_miou`, in which every image does.
    """
    total = counts.sum(axis=0)
    return {
        "images": len(counts),
        "miou": rounded(mean_iou(total)),
        "pixel_accuracy": rounded(pixel_accuracy(total)),
        "iou": {name: rounded(score) for name, score in zip(CLASSES, iou(total), strict=True)},
        "dice": {name: rounded(score) for name, score in zip(CLASSES, dice(total), strict=True)},
        "pet_with_border_iou": rounded(iou(merge(total, PET_WITH_BORDER))[0]),
        "per_image_miou": rounded(mean_iou(counts).mean()),
    }


def by_breed(table: pd.DataFrame) -> pd.DataFrame:
    """One row a breed, best first: species, number of images, mIoU and IoU per class."""
    rows = []
    for (breed, species), group in table.groupby(["breed", "species"]):
        scores = headline(counts_of(group))
        ious = {f"iou_{name}": score for name, score in scores["iou"].items()}
        rows.append(
            {"breed": breed, "species": species, "images": len(group)}
            | {"miou": scores["miou"]}
            | ious
        )
    return pd.DataFrame(rows).sort_values(["miou", "breed"], ascending=[False, True])
