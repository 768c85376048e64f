"""A headless Chromium that opens pages from disk."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

__all__ = ["BROWSER", "DRIVER", "Browser", "browser"]

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
DRAWN = "return document.documentElement.dataset.plots === 'drawn'"
# narrower windows are phones: touched, and as wide as the page says
PHONE = 600


class Browser:
    """A driver with what the tests ask of a page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, width: int) -> None:
        """Open the file in a window of ``width`` CSS pixels and wait until its plots are drawn."""
        phone = width < PHONE
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": phone}
        self.command("Emulation.setDeviceMetricsOverride", **metrics)
        self.command("Emulation.setTouchEmulationEnabled", enabled=phone)
        self.driver.get(path.as_uri())
        WebDriverWait(self.driver, 60).until(lambda driver: driver.execute_script(DRAWN))

    def media(self, kind: str = "", scheme: str = "light") -> None:
        """Pretend to be on paper (``print``), or to prefer a light or dark page."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", media=kind, features=features)

    def command(self, name: str, **arguments: Any) -> Any:
        """A command of Chromium's own protocol."""
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, script: str) -> Any:
        """What the body of a function returns in the page."""
        return self.driver.execute_script(script)

    def complaints(self) -> list[str]:
        """Messages of the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def picture(self, path: Path) -> None:
        """The whole page, top to bottom."""
        width, height = self.run("return [innerWidth, document.scrollingElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser() -> Iterator[Browser]:
    """A new one, closed at the end."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # named, so that Selenium looks for no driver on the network
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
