"""The deployed model applied to images: an ONNX file and ONNX Runtime, nothing else."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession, SessionOptions
from PIL import Image

from pipeline.core.terminal import UserError
from pipeline.data.images import reduce_image
from pipeline.data.pairs import CLASSES

Array = NDArray[np.uint8]
Predict = Callable[[Array], Array]  # (H, W, 3) RGB to (H, W) class ids

# The graph enlarges the classes' scores to the image's size as floats: 24 bytes a pixel, or 1.2 GB
# for 50 megapixels in each thread. Its network sees a square of a few hundred pixels anyway:
# reduced to this side first, an image of 4000x2664 gets 99.9 % of the same mask.
LONGEST_SIDE = 2048


class Predictor:
    """A loaded model.onnx: call it with an image to get the mask."""

    def __init__(self, file: Path, threads: int) -> None:
        """Load the file; 0 threads are all cores. Raises UserError if it is missing or no model."""
        options = SessionOptions()
        options.intra_op_num_threads = threads
        # Waiting threads sleep: spinning is no faster, and takes the core from others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False  # no faster, and never gives memory back
        if not file.exists():
            raise UserError(f"{file} is missing: export first (dvc repro export)")
        try:
            self.session = InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's error classes share no other base
            raise UserError(f"{file} is not a model that ONNX Runtime can load: {error}") from error
        self.file = file
        self.input = self.session.get_inputs()[0].name

    def __call__(self, image: Array) -> Array:
        """(H, W, 3) uint8 RGB to (H, W) uint8 class ids."""
        (mask,) = self.session.run(None, {self.input: image})
        return mask

    def tried(self) -> Self:
        """Predict one black image, then return self. Raises UserError for another kind of model."""
        try:
            mask = self(np.zeros((8, 6, 3), np.uint8))
        except Exception as error:  # ONNX Runtime's error classes share no other base
            raise UserError(f"{self.file} takes no photographs: {error}") from None
        if mask.shape != (8, 6) or mask.dtype != np.uint8 or mask.max() >= len(CLASSES):
            raise UserError(f"{self.file} gives no masks of {', '.join(CLASSES)}")
        return self


def predict_mask(model: Predict, image: Array) -> Array:
    """Predict an image of any size in bounded memory: (H, W, 3) uint8 RGB to (H, W) uint8 ids.

    An image larger than LONGEST_SIDE is reduced for the model, and the mask enlarged by nearest
    neighbour: ids cannot be blended.
    """
    mask = model(reduce_image(image, LONGEST_SIDE))
    return enlarge_mask(mask, *image.shape[:2])


def enlarge_mask(mask: Array, height: int, width: int) -> Array:
    """The mask of a reduced image in the size of the image itself."""
    if mask.shape == (height, width):
        return mask
    return np.array(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))


def cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # missing on some systems
    return len(affinity(0)) if affinity else os.cpu_count() or 1
