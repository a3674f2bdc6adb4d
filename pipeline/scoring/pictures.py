"""Pictures of masks: overlays, error maps, captioned grids, and the sheets that evaluate draws.

Serving draws overlays too: neither torch nor pandas is imported here.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.data.images import load_image, load_mask
from pipeline.data.pairs import BACKGROUND, BORDER, PALETTE, PET, image_path, mask_path

if TYPE_CHECKING:
    import pandas as pd

Photograph = NDArray[np.uint8]  # (H, W, 3) RGB
Mask = NDArray[np.uint8]  # (H, W) class ids

# Okabe and Ito's colours, which colour-blind people tell apart.
MISSED = (213, 94, 0)  # vermilion: pet called background
INVENTED = (86, 180, 233)  # sky blue: background called pet
BLURRED = (240, 228, 66)  # yellow: border taken for a neighbour, or a neighbour for border
ERROR_LEGEND = {
    "pet missed": MISSED,
    "pet invented": INVENTED,
    "border too much or too little": BLURRED,
}
MASK_LEGEND = {"pet": PALETTE[PET], "border": PALETTE[BORDER]}

MARGIN = 6
TEXT = 15  # height of a caption in pixels
SHOWN = 12  # images on a sheet
TILE = {"width": 166, "height": 140}  # two experiments' sheets fit side by side into 1400 pixels


def colour(mask: Mask) -> Image.Image:
    """The mask in the colours of the PALETTE."""
    return Image.fromarray(np.array(PALETTE, dtype=np.uint8)[mask])


def overlay(photograph: Photograph, mask: Mask, opacity: float = 0.45) -> Image.Image:
    """The photograph with pet and border tinted and the background unchanged."""
    tinted = Image.blend(Image.fromarray(photograph), colour(mask), opacity)
    animal = Image.fromarray((mask != BACKGROUND).astype(np.uint8) * 255)
    return Image.composite(tinted, Image.fromarray(photograph), animal)


def error_map(photograph: Photograph, truth: Mask, prediction: Mask) -> Image.Image:
    """The photograph in pale grey, wrong pixels coloured by the kind of error."""
    grey = np.asarray(Image.fromarray(photograph).convert("L"))
    picture = np.repeat((grey // 2 + 110)[..., None].astype(np.uint8), 3, axis=2)
    picture[truth != prediction] = BLURRED
    picture[(truth == PET) & (prediction == BACKGROUND)] = MISSED
    picture[(truth == BACKGROUND) & (prediction == PET)] = INVENTED
    return Image.fromarray(picture)


def choose_shown(table: "pd.DataFrame") -> dict[str, "pd.DataFrame"]:
    """The rows of a `per_image_table` to be shown, by the name of their sheet.

    `examples` are evenly spaced over the list, and so over breeds: the same for every model.
    `worst` and `median` are by mIoU, the lowest first.
    """
    shown = min(SHOWN, len(table))
    ranked = table.sort_values(["miou", "name"])
    middle = (len(table) - shown) // 2
    return {
        "examples": table.iloc[np.linspace(0, len(table) - 1, shown).astype(int)],
        "worst": ranked.iloc[:shown],
        "median": ranked.iloc[middle : middle + shown],
    }


def draw_sheet(
    segment: Callable[[Photograph], Mask], data: Path, rows: "pd.DataFrame"
) -> Image.Image:
    """Photograph, truth, prediction and errors of each image, with its name and mIoU."""
    tiles, captions = [], []
    for name, miou in rows[["name", "miou"]].itertuples(index=False):
        photograph = load_image(image_path(data, name))
        truth, prediction = load_mask(mask_path(data, name)), segment(photograph)
        tiles += [
            Image.fromarray(photograph),
            overlay(photograph, truth),
            overlay(photograph, prediction),
            error_map(photograph, truth, prediction),
        ]
        captions += [name, "", f"mIoU {miou:.3f}", ""]
    headings = ["photograph", "truth", "prediction", "errors"]
    drawn = grid(tiles, captions, len(headings), headings, **TILE)
    return with_legend(drawn, MASK_LEGEND | ERROR_LEGEND)


def grid(
    tiles: Sequence[Image.Image],
    captions: Sequence[str],
    columns: int,
    headings: Sequence[str] = (),
    *,
    width: int = 240,
    height: int = 180,
) -> Image.Image:
    """Lay out tiles row by row, each fitted into width x height pixels above its caption.

    The headings stand above the columns; a tile without a caption has an empty one.
    """
    font = ImageFont.load_default(size=TEXT - 3)
    rows = -(-len(tiles) // columns)
    step_x, step_y = width + MARGIN, height + TEXT + MARGIN
    top = TEXT + MARGIN if headings else 0
    sheet = Image.new("RGB", (columns * step_x + MARGIN, top + rows * step_y + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    for column, heading in enumerate(headings):
        draw.text((MARGIN + column * step_x, MARGIN // 2), heading, "black", font)
    for position, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        row, column = divmod(position, columns)
        x, y = MARGIN + column * step_x, top + MARGIN + row * step_y
        fitted = _fit(tile, width, height)
        sheet.paste(fitted, (x + (width - fitted.width) // 2, y + (height - fitted.height) // 2))
        draw.text((x, y + height), caption, "black", font)
    return sheet


def with_legend(picture: Image.Image, legend: Mapping[str, tuple[int, int, int]]) -> Image.Image:
    """The picture below a line that explains the colours."""
    font = ImageFont.load_default(size=TEXT - 3)
    top = TEXT + 2 * MARGIN
    sheet = Image.new("RGB", (picture.width, picture.height + top), "white")
    draw = ImageDraw.Draw(sheet)
    x = MARGIN
    for words, colour_of_it in legend.items():
        draw.rectangle((x, MARGIN, x + TEXT, MARGIN + TEXT - 2), colour_of_it, "black")
        draw.text((x + TEXT + MARGIN, MARGIN), words, "black", font)
        x += TEXT + round(font.getlength(words)) + 4 * MARGIN
    sheet.paste(picture, (0, top))
    return sheet


def _fit(tile: Image.Image, width: int, height: int) -> Image.Image:
    scale = min(width / tile.width, height / tile.height)
    size = (max(1, round(tile.width * scale)), max(1, round(tile.height * scale)))
    return tile.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
