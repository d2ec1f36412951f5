"""A real Chromium, and report pages opened in it. Without one, the tests here are skipped, and say what is missing."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from attention_harness.cli.app import main
from attention_reports import Run, write_report, write_table

PROGRAMS = {"chromium": "CHROMIUM", "chromedriver": "CHROMEDRIVER"}
"""Program -> the variable that says where it is, if it is not on the path."""

QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip
"""So that what goes over the network is what the page asks for."""


LOADING = 60
"""Seconds for a page on a busy machine."""


def absent(what: str) -> None:
    """Skips the test; fails it where AXE_CORE says that a browser is expected, so that nothing looks green that did not run."""
    (pytest.fail if "AXE_CORE" in os.environ else pytest.skip)(what)


def program(name: str) -> str:
    """Where it is."""
    program = os.environ.get(PROGRAMS[name]) or shutil.which(name)
    if not program:
        absent(f"{name}=not found, but should be on the path or in {PROGRAMS[name]}; Debian has it as chromium, chromium-driver")
    return str(program)


class Browser:
    """One window, and what was said and asked for in it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path, width: int, scheme: str) -> None:
        """The page as a screen of that many pixels shows it, "light" or "dark"."""
        media = [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        self.driver.get("about:blank")
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)  # what other pages left
        self.driver.get(page.as_uri())
        wait = import_module("selenium.webdriver.support.wait").WebDriverWait
        wait(self.driver, LOADING).until(lambda driver: self.run("return document.readyState") == "complete")

    def run(self, script: str, *arguments: Any) -> Any:
        """What a piece of JavaScript returns."""
        return self.driver.execute_script(script, *arguments)

    def messages(self) -> list[str]:
        """What the console was told."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """What was asked for beside files and what the page itself holds."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("data:", "about:"))]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A window for all tests."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium")
    for flag in QUIET:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(program("chromedriver")))
    yield Browser(driver)
    driver.quit()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which looks for what keeps people from reading a page."""
    folder = os.environ.get("AXE_CORE", "")
    source = Path(folder) / "axe.min.js"
    if not source.is_file():
        absent(f"AXE_CORE={folder}, but should be the folder of the npm package axe-core")
    return source.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def pages(whole_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The page of that name: a run that has everything, the example of this repository, a comparison, an audit, and odd runs."""
    written: dict[str, Path] = {}

    def page(name: str) -> Path:
        if name not in written:
            written[name] = PAGES[name](whole_run, tmp_path_factory.mktemp(name))
        return written[name]

    return page


def _compared(run: Path, folder: Path) -> Path:
    assert main(["compare", str(run), str(run), "--output", str(folder)]) == 0
    return folder / "compare.html"


def _audited(_: Path, folder: Path) -> Path:
    assert main(["audit", "softcap_comes_after_the_mask", "--examples", "1", "--output", str(folder)]) == 0
    return folder / "report.html"


HOSTILE = "<script>alert('x')</script>\"|`@user $x$ \u202eabc\x1b[31m"
JUDGED = ("outcome", "verdict", "direction", "dtype", "spec", "device")
"""Columns that hold words of this project's own."""


def _written(folder: Path, metadata: dict[str, Any], **frames: pd.DataFrame) -> Path:
    (folder / "run.json").write_text(json.dumps(metadata), encoding="utf-8")
    for name, frame in frames.items():
        write_table(folder, name, frame)
    return write_report(folder)


def _hostile(run: Path, folder: Path) -> Path:
    """Every text of every table begins with markup, quotes, a mark that turns the direction, and an escape of terminals."""
    whole = Run.load(run)
    frames = {name: getattr(whole, name) for name in ("checks", "agreement", "coverage", "precision", "timings")}
    for frame in frames.values():
        for column in set(frame.select_dtypes(exclude="number").columns) - set(JUDGED):
            frame[column] = frame[column].map(lambda text: HOSTILE + text if isinstance(text, str) and text else text)
    return _written(folder, {**whole.metadata, "notes": [HOSTILE], "command_line": HOSTILE}, **frames)


def _failing(run: Path, folder: Path) -> Path:
    whole = Run.load(run)
    return _written(folder, whole.metadata, checks=whole.checks.assign(outcome="violates", message="out=1, but should be 2"))


def _absent(run: Path, folder: Path) -> Path:
    whole = Run.load(run)
    rows = whole.checks.drop_duplicates("implementation")
    return _written(folder, whole.metadata, checks=rows.assign(outcome="unavailable", property="", message="no CUDA device"))


def _single(run: Path, folder: Path) -> Path:
    whole = Run.load(run)
    return _written(folder, whole.metadata, checks=whole.checks.query("implementation == 'torch-chunked'"))


def _interrupted(run: Path, folder: Path) -> Path:
    return _written(folder, {"schema": 1}, checks=Run.load(run).checks.head(40))


PAGES: dict[str, Callable[[Path, Path], Path]] = {
    "run": lambda run, folder: write_report(run),
    "example": lambda run, folder: Path(__file__).parents[3] / "reports" / "example" / "report.html",
    "comparison": _compared,
    "audit": _audited,
    "hostile": _hostile,
    "everything failing": _failing,
    "nothing available": _absent,
    "one implementation": _single,
    "interrupted": _interrupted,
}


@pytest.fixture(params=list(PAGES))
def every_page(request: pytest.FixtureRequest, pages: Callable[[str], Path]) -> Path:
    """Each of them."""
    return pages(request.param)
