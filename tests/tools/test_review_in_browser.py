"""Two reviewers in two browsers, with the keyboard, and a page that is killed under them."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from browsers import open_browser, shown, wait
from mlflow_workspace import make_workspace
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver import ActionChains
from servers import started
from tiny_models import write_traffic_light
from tiny_pets import REPOSITORY, write_index, write_pair

from pipeline.core.layout import LABELS, PAIRS, SUSPECTS
from pipeline.ingest.decisions import read_reviews
from pipeline.scoring.suspects import TABLE

pytestmark = pytest.mark.slow

EACH = 10  # decisions of a reviewer
NAMES = [f"pug_{number}" for number in range(2 * EACH)]


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The page, started as `make app` does, with suspicious pairs of the training list."""
    make_workspace(tmp_path, monkeypatch)
    for name in NAMES:
        write_pair(PAIRS, name, 40, 50)
    write_index(PAIRS, sorted(NAMES))
    write_traffic_light(Path("models/model.onnx"))
    shutil.copytree(PAIRS / "masks", SUSPECTS / "masks")
    same = {"list": "train", "kind": "shifted", "score": 0.5, "share": 0.1}
    pd.DataFrame({"name": NAMES} | same).to_csv(SUSPECTS / TABLE, index=False)
    subprocess.run(["git", "init", "--quiet"], check=True)
    for key in ("name", "email"):
        subprocess.run(["git", "config", f"user.{key}", "ann@example.org"], check=True)
    shutil.copytree(REPOSITORY / ".streamlit", ".streamlit")
    command = [sys.executable, "-m", "streamlit", "run", str(REPOSITORY / "tools/app.py")]
    with started([*command, "--server.port"], "_stcore/health") as running:
        yield running


def name_shown(browser):
    try:
        return next((each.text for each in shown(browser, "[data-testid=stMarkdown] strong")), None)
    except StaleElementReferenceException:  # the page is being drawn again
        return None


def decide(browser, letter):
    """Press the key until another pair is there; return the name of the one decided about."""
    name = wait(browser, lambda: name_shown(browser))
    while True:
        ActionChains(browser).send_keys(letter).perform()
        try:
            wait(browser, lambda: name_shown(browser) not in (None, name) or done(browser), 5)
        except TimeoutException:  # it was pressed before the button was there
            continue
        return name


def done(browser):
    return any("Nothing is left" in each.text for each in shown(browser, "[data-testid=stAlert]"))


def test_two_reviewers_at_once_lose_no_decision_and_a_kill_neither(server, tmp_path):
    with open_browser(tmp_path) as one, open_browser(tmp_path) as other:
        for browser in (one, other):
            browser.get(f"{server.uri}/review_page")

        def review(browser, letter):
            return [decide(browser, letter) for _ in range(EACH - 5)]

        with ThreadPoolExecutor(2) as pool:
            decided = list(pool.map(review, (one, other), "al"))
        found = {name: each.decision for name, each in read_reviews(LABELS).items()}
        expected = dict.fromkeys(decided[0], "right") | dict.fromkeys(decided[1], "leave out")
        assert found == expected
        assert len(found) == 2 * (EACH - 5)
        decided = [decide(one, "m") for _ in range(5)]
        server.process.kill()
        found = {name: each.decision for name, each in read_reviews(LABELS).items()}
        assert found == expected | dict.fromkeys(decided, "model")
