"""Fixtures of all tests: an implementation called without a process, the cases of a run, made-up runs to compare, a browser."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import settings

from attention_harness.conformance.check import load_properties
from attention_harness.conformance.under_test import UnderTest
from attention_harness.generation.suite import Suite, draw_suite
from attention_harness.process.compilation_cache import PLACE
from attention_harness.process.in_process import InProcessWorker
from attention_reports import write_table
from attention_specs.case import Case
from attention_specs.formats import DTYPES

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
os.environ[PLACE] = "off"  # no test writes into the cache of whoever runs it
os.environ.pop("GITHUB_ACTIONS", None)  # no test annotates the job that runs it

AFFORDABLE = 80_000
"""Products of a case that a test takes in a few milliseconds."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """For the environments of tox that have one library alone."""
    parser.addoption("--needing", metavar="LIBRARY", help="only the files that have tests of this library, which others skip")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without the library these files skip some tests, and nothing else would run them."""
    library = config.getoption("--needing")
    if not library or not collection_path.match("test_*.py"):
        return None
    text = collection_path.read_text(encoding="utf-8")
    return None if "importorskip(" in text and f'"{library}"' in text else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Judging whole implementations is a job of its own: `-m conformance`."""
    if "conformance" not in config.option.markexpr:
        slow = [item for item in items if item.get_closest_marker("conformance")]
        items[:] = [item for item in items if not item.get_closest_marker("conformance")]
        config.hook.pytest_deselected(items=slow)


@pytest.fixture(scope="session")
def subject_of() -> Callable[[Callable[..., Any]], UnderTest]:
    """A function on NumPy arrays as the properties see it."""
    load_properties()

    def under_test(function: Callable[..., Any]) -> UnderTest:
        worker = InProcessWorker(function)
        return UnderTest(worker, worker.description)

    return under_test


@pytest.fixture(scope="session")
def suites_of() -> Callable[[int], dict[str, Suite]]:
    """Seed -> spec -> the suite of a default run, without vectors."""
    return cache(lambda seed: draw_suite(150, seed, DTYPES))


@pytest.fixture(scope="session")
def cases_of(suites_of: Callable[[int], dict[str, Suite]]) -> Callable[[int], dict[str, list[Case]]]:
    """Seed -> spec -> the cases of a default run."""
    return cache(lambda seed: {spec: suite.cases for spec, suite in suites_of(seed).items()})


@pytest.fixture(scope="session")
def affordable(cases_of: Callable[[int], dict[str, list[Case]]]) -> Sequence[Case]:
    """Those of the attention spec in two runs that cost little."""

    def products(p: Any) -> int:
        return p.batch * p.query_heads * p.query_length * p.key_length * (p.head_dim + p.value_dim)

    drawn = {case.id: case for seed in (0, 1) for case in cases_of(seed)["attention"]}
    return [case for case in drawn.values() if products(case.problem) <= AFFORDABLE]


MACHINE: dict[str, Any] = {
    "cpu": "AMD EPYC", "cores": 2, "python": "3.11.7", "load": [0.1, 0.2, 0.3],
    "packages": {"attention-harness": "0.1.0", "numpy": "2.4.6", "pandas": "3.1.1"}, "variables": {"OMP_NUM_THREADS": "1"},
}  # fmt: skip


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., Path]:
    """`stored("a", metadata..., checks=[...], timings=[...])`: a completed run on one machine, by name, and its folder."""

    def save(name: str, checks: Any = (), timings: Any = (), **more: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        noise = {"floor": 0.05, "aa_half_width": 0.01, "load": 0.1}
        metadata = {"schema": 1, "complete": True, "arguments": {"seed": 0}, "environment": MACHINE, "noise": noise, **more}
        (folder / "run.json").write_text(json.dumps(metadata), encoding="utf-8")
        for table, rows in (("checks", checks), ("timings", timings)):
            if rows:
                write_table(folder, table, pd.DataFrame(rows))
        return folder

    return save


@pytest.fixture(scope="session")
def checked() -> Callable[..., dict[str, Any]]:
    """`checked("numpy-eager", "a_property", "agrees")`: one row of checks."""

    def row(implementation: str, prop: str, outcome: str, **more: Any) -> dict[str, Any]:
        own = {"implementation": implementation, "property": prop, "outcome": outcome, "spec": "attention", "dtype": "float32"}
        return own | {"clause": "P1", "cases": 9, "message": "", "replay": ""} | more

    return row


@pytest.fixture(scope="session")
def timed() -> Callable[..., dict[str, Any]]:
    """`timed("numpy-eager", 1.3)`: one row of timings, with an interval of 1 % around that ratio to the baseline."""

    def row(implementation: str, ratio: float, width: float = 1.01, **more: Any) -> dict[str, Any]:
        own = {"implementation": implementation, "workload": "gpt2-small", "dtype": "float32", "direction": "forward"}
        ratios = {"ratio": ratio, "ratio_low": ratio / width, "ratio_high": ratio * width, "median": ratio / 1000}
        return own | ratios | {"verdict": "SLOWER", "baseline": "numpy-eager", "description": "a small model"} | more

    return row


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
    """Skips the test; fails it where BROWSER says that one is expected, so that nothing looks green that did not run."""
    (pytest.fail if "BROWSER" in os.environ else pytest.skip)(what)


def program(name: str) -> str:
    """Where it is."""
    program = os.environ.get(PROGRAMS[name]) or shutil.which(name)
    if not program:
        absent(f"{name}=not found, but should be on the path or in {PROGRAMS[name]}; Debian has it as chromium, chromium-driver")
    return str(program)


class Browser:
    """A window of Chromium, its messages and its requests. Without Chromium the tests are skipped, and say what is missing."""

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

    def violations(self, axe: str) -> list[str]:
        """The violations that axe-core finds on the page, one line for each rule."""
        self.run(axe)
        values = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1]; axe.run(document, {resultTypes: ['violations']}).then(done)"
        )
        return [f"{v['id']}: {v['help']} ({len(v['nodes'])}, first {v['nodes'][0]['html'][:120]})" for v in values["violations"]]

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
