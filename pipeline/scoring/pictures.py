"""Pictures of masks: overlays, error maps, captioned grids, and the sheets that evaluate draws.

Serving draws overlays too: neither torch nor pandas is imported here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.data.classes import IGNORE, Classes
from pipeline.data.colours import RGB, UNNAMED, rgb
from pipeline.data.pairs import pair_of

if TYPE_CHECKING:
    import pandas as pd

Photograph = NDArray[np.uint8]  # (H, W, 3) RGB
Mask = NDArray[np.uint8]  # (H, W) class ids

# Okabe and Ito's colours, which colour-blind people tell apart.
MISSED = (213, 94, 0)  # vermilion: foreground called something else
INVENTED = (86, 180, 233)  # sky blue: something else called foreground
CONFUSED = (240, 228, 66)  # yellow: any other class taken for another
LIGHT = (205, 205, 205)  # beside grey, in the stripes of ignored pixels

MARGIN = 6
STRIPE = 4  # pixels
TEXT = 15  # height of a caption in pixels
SHOWN = 12  # images on a sheet
TILE = {"width": 166, "height": 140}  # two experiments' sheets fit side by side into 1400 pixels


def mask_legend(classes: Classes) -> dict[str, RGB]:
    """The colours of an overlay, by class."""
    untinted = classes.with_role("background")
    shown = [place for place in range(len(classes)) if place not in untinted]
    ignored = {} if classes.ignore is None else {"ignored": rgb(UNNAMED)}
    return {classes.names[place]: classes.palette[place] for place in shown} | ignored


def error_legend(classes: Classes) -> dict[str, RGB]:
    """The colours of an error map."""
    if not classes.foreground:
        return {"wrong": CONFUSED}
    name = classes.subject
    legend = {f"{name} missed": MISSED, f"{name} invented": INVENTED}
    return legend | ({"others confused": CONFUSED} if len(classes) > 2 else {})


def colour(mask: Mask, classes: Classes) -> Image.Image:
    """The mask in the colours of the classes; ignored pixels are grey with stripes."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(classes.palette)] = classes.palette
    picture = table[mask]
    if classes.ignore is not None:
        across, down = np.ogrid[: mask.shape[0], : mask.shape[1]]
        picture[(mask == IGNORE) & ((across + down) // STRIPE % 2 == 0)] = LIGHT
    return Image.fromarray(picture)


def overlay(
    photograph: Photograph, mask: Mask, classes: Classes, opacity: float = 0.45
) -> Image.Image:
    """The photograph tinted by class, but for the background, which is unchanged."""
    tinted = Image.blend(Image.fromarray(photograph), colour(mask, classes), opacity)
    shown = np.ones(256, np.uint8)
    shown[classes.with_role("background")] = 0
    where = Image.fromarray(shown[mask] * 255)
    return Image.composite(tinted, Image.fromarray(photograph), where)


def error_map(
    photograph: Photograph, truth: Mask, prediction: Mask, classes: Classes
) -> Image.Image:
    """The photograph in pale grey, wrong pixels coloured by the kind of error.

    The rim between foreground and the rest is neither: who misses it confuses.
    """
    grey = np.asarray(Image.fromarray(photograph).convert("L"))
    picture = np.repeat((grey // 2 + 110)[..., None].astype(np.uint8), 3, axis=2)
    part = np.zeros(256, np.uint8)  # neither
    if classes.foreground:
        part[classes.with_role("background", None)] = 1
        part[classes.foreground] = 2
    wrong = (truth != prediction) & (truth != IGNORE)
    picture[wrong] = CONFUSED
    picture[wrong & (part[truth] == 2) & (part[prediction] == 1)] = MISSED
    picture[wrong & (part[truth] == 1) & (part[prediction] == 2)] = INVENTED
    return Image.fromarray(picture)


def choose_shown(table: "pd.DataFrame") -> dict[str, "pd.DataFrame"]:
    """The rows of a `per_image_table` to be shown, by the name of their sheet.

    `examples` are evenly spaced over the list, and so over groups: the same for every model.
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
    segment: Callable[[Photograph], Mask], data: Path, rows: "pd.DataFrame", classes: Classes
) -> Image.Image:
    """Photograph, truth, prediction and errors of each image, with its name and mIoU."""
    named = rows[["name", "miou"]].itertuples(index=False)
    captions = [text for name, miou in named for text in (name, "", f"mIoU {miou:.3f}", "")]
    pairs = (pair_of(name, data) for name in rows["name"])
    compared = ((photograph, truth, segment(photograph)) for photograph, truth in pairs)
    headings = ("photograph", "truth", "prediction", "errors")
    return draw_comparison(compared, captions, headings, classes)


def draw_comparison(
    compared: Iterable[tuple[Photograph, Mask, Mask]],
    captions: Sequence[str],
    headings: Sequence[str],
    classes: Classes,
) -> Image.Image:
    """A row for each photograph, true mask and predicted mask: these three, and the errors.

    Four captions a row, and four headings above the columns. One row at a time is in memory at its
    full size.
    """
    tiles = (
        tile
        for photograph, truth, prediction in compared
        for tile in (
            Image.fromarray(photograph),
            overlay(photograph, truth, classes),
            overlay(photograph, prediction, classes),
            error_map(photograph, truth, prediction, classes),
        )
    )
    drawn = grid(tiles, captions, len(headings), headings, **TILE)
    return with_legend(drawn, mask_legend(classes) | error_legend(classes))


def grid(
    tiles: Iterable[Image.Image],
    captions: Sequence[str],
    columns: int,
    headings: Sequence[str] = (),
    *,
    width: int,
    height: int,
) -> Image.Image:
    """Lay out tiles row by row, each fitted into width x height pixels above its caption.

    The headings stand above the columns; a tile without a caption has an empty one.
    """
    font = ImageFont.load_default(size=TEXT - 3)
    rows = -(-len(captions) // columns)
    step_x, step_y = width + MARGIN, height + TEXT + MARGIN
    top = TEXT + MARGIN if headings else 0
    sheet = Image.new("RGB", (columns * step_x + MARGIN, top + rows * step_y + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    for column, heading in enumerate(headings):
        draw.text((MARGIN + column * step_x, MARGIN // 2), heading, "black", font)
    for position, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        row, column = divmod(position, columns)
        x, y = MARGIN + column * step_x, top + MARGIN + row * step_y
        fitted = fit(tile, width, height)
        sheet.paste(fitted, (x + (width - fitted.width) // 2, y + (height - fitted.height) // 2))
        draw.text((x, y + height), caption, "black", font)
    return sheet


def with_legend(picture: Image.Image, legend: Mapping[str, RGB]) -> Image.Image:
    """The picture below lines that explain the colours."""
    font = ImageFont.load_default(size=TEXT - 3)
    places, x, y = [], MARGIN, MARGIN
    for words in legend:
        width = TEXT + round(font.getlength(words)) + 4 * MARGIN
        if x > MARGIN and x + width > picture.width:
            x, y = MARGIN, y + TEXT + MARGIN
        places.append((x, y))
        x += width
    top = y + TEXT + MARGIN
    sheet = Image.new("RGB", (picture.width, picture.height + top), "white")
    draw = ImageDraw.Draw(sheet)
    for (words, own), (x, y) in zip(legend.items(), places, strict=True):
        draw.rectangle((x, y, x + TEXT, y + TEXT - 2), own, "black")
        draw.text((x + TEXT + MARGIN, y), words, "black", font)
    sheet.paste(picture, (0, top))
    return sheet


def fit(tile: Image.Image, width: int, height: int) -> Image.Image:
    """The picture as large as possible within these sides."""
    scale = min(width / tile.width, height / tile.height)
    size = (max(1, round(tile.width * scale)), max(1, round(tile.height * scale)))
    return tile.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
