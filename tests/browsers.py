"""Debian's Chromium, driven by Selenium."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

QUIET = (
    "--headless=new",
    "--no-sandbox",  # which root cannot have; it sees nothing but our own page
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--window-size=1280,900",
)


@contextmanager
def open_browser(downloads: Path) -> Iterator[Chrome]:
    """A browser that saves what it downloads in the folder.

    Without Chromium, the test is skipped; with PETSEG_REQUIRE_CHROMIUM set, it fails.
    """
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        missing = "chromium and chromedriver (Debian: chromium, chromium-driver) are not installed"
        pytest.fail(missing) if os.environ.get("PETSEG_REQUIRE_CHROMIUM") else pytest.skip(missing)
    options = ChromeOptions()
    options.binary_location = program
    for argument in QUIET:
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    with Chrome(options, ChromeService(driver)) as running:
        yield running


def wait(browser: Chrome, condition: Callable[[], Any], seconds: float = 120) -> Any:
    return WebDriverWait(browser, seconds, poll_frequency=0.1).until(lambda _: condition())


def shown(browser: Chrome, selector: str) -> list:
    return browser.find_elements(By.CSS_SELECTOR, selector)


def requested_urls(browser: Chrome) -> list[str]:
    """The addresses of all requests since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
