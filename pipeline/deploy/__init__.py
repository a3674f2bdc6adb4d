"""The deployed model: one ONNX file that takes an image and gives its mask."""

import os

# ONNX Runtime reports its use to Microsoft unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
