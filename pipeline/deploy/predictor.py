"""The deployed model applied to images: an ONNX file and ONNX Runtime, nothing else."""

from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession, SessionOptions
from PIL import Image

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.data.classes import from_metadata
from pipeline.data.images import reduce_image

Array = NDArray[np.uint8]

# The graph's outputs, each (H, W) uint8: class ids, and 255 times the probability of the class.
# The second is empty unless the input WITH_CONFIDENCE is true: by default it is not.
MASK, CONFIDENCE, WITH_CONFIDENCE = "mask", "confidence", "with_confidence"
ERRORS = 3  # of ONNX Runtime's severities; it warns of an input that has a value
DIGITS = 12  # of a file's sha256: enough to tell it from all others

# No mask is finer. The network sees a square of a few hundred pixels anyway: reduced to this side
# first, an image of 4000x2664 gets 99.9 % of the same mask.
LONGEST_SIDE = 2048
FEW_CLASSES = 24


def longest_side(classes: int) -> int:
    """To what side an image is reduced for a model of so many classes.

    The graph enlarges the classes' scores to the image's size as floats: 8 bytes a pixel and
    class, or 800 MB for a square of LONGEST_SIDE and FEW_CLASSES. More classes take no more.
    """
    return int(LONGEST_SIDE * min(1, FEW_CLASSES / classes) ** 0.5)


class Answer(NamedTuple):
    """What a model said of an image, and the seconds that it took."""

    mask: Array  # (H, W) class ids
    confidence: Array | None  # (H, W), if it was asked for and the model tells it
    seconds: float


class Predictor:
    """A loaded model.onnx: call it with an image to get the mask."""

    def __init__(self, file: Path, threads: int, version: int | None = None) -> None:
        """Load the file. threads: 0 means all cores. version: the registered version, if any.

        Raises UserError if it is missing, is no model, or does not name its classes.
        """
        options = SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = ERRORS
        # Waiting threads sleep: spinning is no faster, and takes the core from others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False  # no faster, and never gives memory back
        if not file.exists():
            raise UserError(f"{file} is missing: export first (dvc repro export)")
        try:
            self.session = InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's error classes share no other base
            raise UserError(f"{file} is not a model that ONNX Runtime can load: {error}") from error
        try:
            self.classes = from_metadata(self.session.get_modelmeta().custom_metadata_map)
        except (ValueError, TypeError) as error:
            raise UserError(f"{file} does not say which classes it has: {error}") from None
        self.file = file
        self.side = longest_side(len(self.classes))  # to which larger images are reduced
        # What an answer says of the model that gave it.
        self.identity: dict[str, Any] = {
            "version": version,
            "digest": file_digest(file)[:DIGITS],
            "dataset": self.classes.dataset,
        }
        self.input = self.session.get_inputs()[0].name
        outputs = [output.name for output in self.session.get_outputs()]
        self.mask = outputs[0]
        self.tells_confidence = CONFIDENCE in outputs  # earlier exports do not

    def __call__(self, image: Array) -> Array:
        """(H, W, 3) uint8 RGB to (H, W) uint8 class ids."""
        (mask,) = self.session.run([self.mask], {self.input: image})
        return mask

    def confident(self, image: Array) -> tuple[Array, Array | None]:
        """As the call, and the confidence: (H, W) uint8, None if the model does not tell it."""
        if not self.tells_confidence:
            return self(image), None
        asked = {self.input: image, WITH_CONFIDENCE: np.array(True)}
        mask, confidence = self.session.run([self.mask, CONFIDENCE], asked)
        return mask, confidence

    def predict(self, image: Array, confident: bool = True) -> Answer:
        """Label an (H, W, 3) uint8 RGB image of any size in bounded memory.

        One that is larger than `side` is reduced for the model, and its mask and confidence (if
        `confident`) are enlarged by nearest neighbour: ids cannot be blended.
        """
        start, (height, width) = perf_counter(), image.shape[:2]
        small = reduce_image(image, self.side)
        mask, confidence = self.confident(small) if confident else (self(small), None)
        if confidence is not None:
            confidence = enlarge_mask(confidence, height, width)
        return Answer(enlarge_mask(mask, height, width), confidence, perf_counter() - start)

    def tried(self) -> Self:
        """Predict one black image, then return self. Raises UserError for another kind of model."""
        try:
            mask = self(np.zeros((8, 6, 3), np.uint8))
        except Exception as error:  # ONNX Runtime's error classes share no other base
            raise UserError(f"{self.file} takes no photographs: {error}") from None
        if mask.shape != (8, 6) or mask.dtype != np.uint8 or mask.max() >= len(self.classes):
            raise UserError(f"{self.file} gives no masks of its {len(self.classes)} classes")
        return self


def enlarge_mask(mask: Array, height: int, width: int) -> Array:
    """The mask of a reduced image in the size of the image itself."""
    if mask.shape == (height, width):
        return mask
    return np.array(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
