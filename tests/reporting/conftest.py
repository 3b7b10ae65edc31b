"""A headless browser, where there is one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recsys_cl.reporting.evidence import Evidence
from recsys_cl.reporting.page import render


class Browser:
    """Chromium showing one page at a time; remembers what was requested and what was complained about."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver, self.folder = driver, folder
        self.path = folder / "page.html"

    def show(self, page: str, *, width: int = 1200, scheme: str = "light", media: str = "") -> None:
        """Load ``page`` afresh; logs begin here."""
        self.path.write_text(page, "utf-8")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
        self.complaints()
        self.requests()
        self.driver.get(self.path.as_uri())

    def ask(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        return self.driver.execute_script(f"return {script}")

    def complaints(self) -> list[dict[str, Any]]:
        """What the console said since last asked."""
        return list(self.driver.get_log("browser"))

    def requests(self) -> list[str]:
        """Addresses asked for since last asked."""
        told = [json.loads(line["message"])["message"] for line in self.driver.get_log("performance")]
        return [each["params"]["request"]["url"] for each in told if each["method"] == "Network.requestWillBeSent"]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("no chromium and chromedriver here: the page is not looked at in a browser")
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium here: the page is not looked at in a browser")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    try:
        yield Browser(driver, tmp_path_factory.mktemp("browser"))
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def page(whole: Evidence) -> str:
    return render(whole)


@pytest.fixture(scope="session")
def whole() -> Evidence:
    from tests.reporting.made_up import evidence

    return evidence()
