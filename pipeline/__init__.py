"""What the stages and the tools share, in wings that follow the data."""

import os

# These packages report their use to their makers unless told otherwise before they are imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Said before torch is loaded: a thread that waits for the other spins a little (some
# microseconds), then sleeps. Sleeping at once costs a third of the speed; spinning on, as is usual,
# costs nothing alone, but beside another busy process it made a step thirteen times as long.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# Said before pandas is loaded: Arrow's own allocator keeps megabytes of what was given back to it.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
