"""A browser without a window, driven as a person would."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

QUIET = (
    "--headless=new",
    "--no-sandbox",  # which root cannot have; it sees nothing but our own page
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium(downloads: Path, width: int = 1280, height: int = 900) -> Iterator[Chrome]:
    """Debian's Chromium, that saves what it downloads in a folder.

    Without it, the test is skipped; with PETSEG_REQUIRE_CHROMIUM in the environment, it fails.
    """
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        missing = "chromium and chromedriver (Debian: chromium, chromium-driver) are not installed"
        pytest.fail(missing) if os.environ.get("PETSEG_REQUIRE_CHROMIUM") else pytest.skip(missing)
    options = ChromeOptions()
    options.binary_location = browser
    for argument in QUIET:
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    with Chrome(options, ChromeService(driver)) as running:
        # As a phone's screen: a window is never narrower than 500 pixels.
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        running.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        yield running
