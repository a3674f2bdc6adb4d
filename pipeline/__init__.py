"""What the stages and the tools share, in wings that follow the data."""

import os

# These packages report their use to their makers unless told otherwise before they are imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
