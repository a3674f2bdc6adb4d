"""The pet alone: its photograph, with everything else transparent."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt

from pipeline.data.pets import BACKGROUND, BORDER, PET
from pipeline.deploy.mask import LONGEST_SIDE


def cut_out(photograph: NDArray[np.uint8], mask: NDArray[np.uint8]) -> Image.Image:
    """(H, W, 3) uint8 RGB and its (H, W) uint8 class ids to an RGBA picture of that size.

    What is transparent is black too: nothing of the background stays in the file.
    """
    alpha = opacity(mask)
    return Image.fromarray(np.dstack([np.where(alpha[..., None] > 0, photograph, 0), alpha]))


def opacity(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) uint8 class ids to (H, W) uint8: 255 on the pet, 0 on the background.

    Across the border, in which fur and background mix, it falls as the pet becomes more distant
    and the background nearer; where only one of them is there, the border counts as pet.
    """
    height, width = mask.shape
    scale = min(1, LONGEST_SIDE / max(height, width))  # finer than that, no mask is
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    reduced = np.array(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    alpha = Image.fromarray((255 * _share_of_pet(reduced)).round().astype(np.uint8))
    return np.array(alpha.resize((width, height), Image.Resampling.BILINEAR))


def _share_of_pet(mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    share = (mask != BACKGROUND).astype(np.float64)
    border = mask == BORDER
    if (mask == PET).any() and (mask == BACKGROUND).any():
        to_pet = distance_transform_edt(mask != PET)[border]
        to_background = distance_transform_edt(mask != BACKGROUND)[border]
        share[border] = to_background / (to_pet + to_background)
    return share
