"""The deployed model: one ONNX file that takes an image and gives its mask."""

import os

# ONNX Runtime and Ray report their use to their makers unless this is set before they are imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
