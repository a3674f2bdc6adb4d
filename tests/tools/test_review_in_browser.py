"""Two reviewers in two browsers, with the keyboard, and a page that is killed under them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from browsers import open_browser, shown, wait
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver import ActionChains
from servers import started
from tiny_models import write_traffic_light
from tiny_pets import REPOSITORY, write_index, write_pair

from pipeline.core.layout import LABELS, PAIRS, SUSPECTS
from pipeline.ingest.decisions import read_reviews
from pipeline.scoring.suspects import TABLE

pytestmark = pytest.mark.slow

KEYS = {"a": "right", "l": "leave out", "m": "model"}
NAMES = [f"pug_{number}" for number in range(6)]  # there is another pair after each key


@pytest.fixture
def server(workspace):
    """The page, started as `make app` does, with suspicious pairs of the training list."""
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
            wait(browser, lambda: name_shown(browser) not in (None, name), 5)
        except TimeoutException:  # it was pressed before the button was there
            continue
        return name


def test_two_reviewers_see_different_pairs_and_each_key_decides_about_the_one_shown(
    server, tmp_path
):
    with open_browser(tmp_path) as one, open_browser(tmp_path) as other:
        for browser in (one, other):
            browser.get(f"{server.uri}/review_page")
            wait(browser, lambda browser=browser: name_shown(browser))
        assert name_shown(one) != name_shown(other)
        expected = {decide(one, letter): decision for letter, decision in KEYS.items()}
        expected |= {decide(other, "a"): "right"}
        server.process.kill()
    assert {name: each.decision for name, each in read_reviews(LABELS).items()} == expected
    assert len(expected) == len(KEYS) + 1
