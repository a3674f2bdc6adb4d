"""Which test pictures are shown, and the sheets that show them."""

from pathlib import Path

import pandas as pd
import torch
from PIL import Image

from pipeline.data.images import load_image, load_mask
from pipeline.data.pets import image_path, mask_path
from pipeline.data.splits import evenly_spaced
from pipeline.model.segmenter import Segmenter
from pipeline.scoring.pictures import ERROR_LEGEND, MASK_LEGEND, comparison, grid, with_legend

SHOWN = 12  # pictures on a sheet
TILE = (166, 140)  # pixels: two experiments' sheets stand side by side on a screen of 1400


def chosen(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of a `per_image_table` to be shown, by the name of their sheet.

    `examples` are spread evenly over the list, and so over breeds: the same ones for every model.
    `worst` and `median` are by mIoU, the lowest first.
    """
    shown = min(SHOWN, len(table))
    ranked = table.sort_values(["miou", "name"])
    middle = (len(table) - shown) // 2
    return {
        "examples": table.iloc[evenly_spaced(range(len(table)), SHOWN)],
        "worst": ranked.iloc[:shown],
        "median": ranked.iloc[middle : middle + shown],
    }


def sheet(segmenter: Segmenter, pets: Path, rows: pd.DataFrame) -> Image.Image:
    """Photograph, truth, prediction and errors of each picture, with its name and mIoU."""
    tiles, captions = [], []
    for name, miou in rows[["name", "miou"]].itertuples(index=False):
        photograph = load_image(image_path(pets, name))
        truth = load_mask(mask_path(pets, name))
        prediction = segmenter.segment([torch.from_numpy(photograph)])[0].numpy()
        tiles += comparison(photograph, truth, prediction)
        captions += [name, "", f"mIoU {miou:.3f}", ""]
    headings = ["photograph", "truth", "prediction", "errors"]
    drawn = grid(tiles, captions, len(headings), headings, width=TILE[0], height=TILE[1])
    return with_legend(drawn, MASK_LEGEND | ERROR_LEGEND)
