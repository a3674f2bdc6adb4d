"""MLflow's first view, in a browser: the training runs, the best first, with telling columns."""

import shutil
import subprocess
import sys

import pytest
from servers import started

from pipeline.records.store import open_store

pytestmark = pytest.mark.slow

CHROMIUM = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1900,900")


def test_make_ui_opens_on_the_best_runs(workspace):
    if not (chromium := shutil.which("chromium")):
        pytest.skip("chromium is not installed")
    store = open_store()
    for name, miou in (("poor", 0.25), ("best", 0.75), ("fair", 0.5)):
        run = store.client.create_run(store.experiment_id, run_name=f"run-{name}").info.run_id
        store.client.log_metric(run, "test.miou", miou)
    command = [sys.executable, "-m", "tools.ui", "--port"]
    with started(command, "health", cwd=workspace) as server:
        address = f"{server.uri}/{store.page}"
        look = [chromium, *CHROMIUM, f"--user-data-dir={workspace}/chromium"]
        look += ["--virtual-time-budget=30000", "--dump-dom", address]
        page = subprocess.run(look, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "Model registry" in page, "the side of MLflow that is about training"
    assert page.index("run-best") < page.index("run-fair") < page.index("run-poor")
    assert all(f">{miou}<" in page for miou in (0.25, 0.5, 0.75)), "the column of test.miou"
