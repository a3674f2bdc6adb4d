"""The only room that imports mlflow: runs, versions of the model, and where both came from."""
