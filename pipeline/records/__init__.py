"""The only room that imports mlflow: runs, versions of the model, and where both came from."""

import os

# mlflow sends usage data to its makers unless told otherwise before it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
