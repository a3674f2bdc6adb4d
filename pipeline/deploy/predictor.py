"""The deployed model applied: an ONNX file and ONNX Runtime, nothing else."""

from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipeline.core.terminal import UserError
from pipeline.data.pets import CLASSES


class Predictor:
    """A model.onnx, ready to label photographs."""

    def __init__(self, file: Path, threads: int) -> None:
        """Load the file. Raises UserError if it is missing or is not a model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that wait sleep: spinning is no faster, and takes the core from others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not file.exists():
            raise UserError(f"{file} is missing: export first (dvc repro export)")
        try:
            self.session = onnxruntime.InferenceSession(
                file, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's own classes have no common base but this
            raise UserError(f"{file} is not a model that ONNX Runtime can load: {error}") from error
        self.file = file
        self.input = self.session.get_inputs()[0].name

    def __call__(self, photograph: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB to (H, W) uint8 class ids."""
        (mask,) = self.session.run(None, {self.input: photograph})
        return mask

    def tried(self) -> Self:
        """Itself, once a photograph got a mask. Raises UserError for another kind of model."""
        try:
            mask = self(np.zeros((8, 6, 3), np.uint8))
        except Exception as error:  # the runtime's own classes have no common base but this
            raise UserError(f"{self.file} takes no photographs: {error}") from None
        if mask.shape != (8, 6) or mask.dtype != np.uint8 or mask.max() >= len(CLASSES):
            raise UserError(f"{self.file} gives no masks of {', '.join(CLASSES)}")
        return self
