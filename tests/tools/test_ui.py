"""MLflow's first view, in a browser: the training runs, the best first, with telling columns."""

import sys

import pytest
from browsers import open_browser, wait
from servers import started

from pipeline.records.store import open_store

pytestmark = pytest.mark.slow


def test_make_ui_opens_on_the_best_runs(workspace):
    store = open_store()
    for name, miou in (("poor", 0.25), ("best", 0.75), ("fair", 0.5)):
        run = store.client.create_run(store.experiment_id, run_name=f"run-{name}").info.run_id
        store.client.log_metric(run, "test.miou", miou)
    command = [sys.executable, "-m", "tools.ui", "--port"]
    with started(command, "health", cwd=workspace) as server, open_browser(workspace) as browser:
        browser.set_window_size(1900, 900)
        browser.get(f"{server.uri}/{store.page}")
        wait(browser, lambda: "run-poor" in browser.page_source)
        page = browser.page_source
    assert "Model registry" in page, "the side of MLflow that is about training"
    assert page.index("run-best") < page.index("run-fair") < page.index("run-poor")
    assert all(f">{miou}<" in page for miou in (0.25, 0.5, 0.75)), "the column of test.miou"
