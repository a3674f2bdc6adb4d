"""The only wing that imports mlflow: runs, versions of the model, and where both came from."""

import os

# mlflow reports its use to its makers and decides so while it is imported: here nobody asked.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
