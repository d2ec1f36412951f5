"""A repository of somebody else, and sessions of pytest in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import pytest

FILES = {
    "specs/__init__.py": "raise RuntimeError('specs of somebody else')\n",
    "harness/__init__.py": "raise RuntimeError('a harness of somebody else')\n",
    "reports/__init__.py": "raise RuntimeError('reports of somebody else')\n",
    "pytest.ini": "[pytest]\nfilterwarnings = error\naddopts = --strict-markers --strict-config\n",
    "conftest.py": """
from hypothesis import Phase, Verbosity, settings

settings.register_profile("theirs", max_examples=1, deadline=1, phases=[Phase.explicit], derandomize=True, verbosity=Verbosity.debug)
settings.load_profile("theirs")
""",
    "mine.py": """
import os

import numpy as np


def tiled(q, k, v):
    \"\"\"Query head h reads key head h % Hkv.\"\"\"
    open(f"{os.path.dirname(__file__)}/called-by-{os.getpid()}", "w").close()
    k, v = (np.tile(a, (1, q.shape[1] // max(k.shape[1], 1), 1, 1)) for a in (k, v))
    scores = q @ k.swapaxes(-1, -2) * max(q.shape[-1], 1) ** -0.5
    powers = np.exp(scores - scores.max(-1, keepdims=True, initial=-np.inf))
    return powers / powers.sum(-1, keepdims=True) @ v


tiled.framework = "numpy"
tiled.dtypes = ("float32",)
""",
    "test_theirs.py": """
from hypothesis import settings


def test_their_profile_holds():
    assert settings.get_current_profile_name() == "theirs"
    assert settings.default.max_examples == 1
""",
}


@dataclass
class Session:
    """What a session of pytest said: its exit status, its output, and of each test outcome, message and properties."""

    status: int
    output: str
    outcomes: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    properties: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass
class Repository:
    """A folder with the code and the tests of somebody else."""

    folder: Path

    def write(self, name: str, text: str) -> None:
        """A further file, or another text for one."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def test(self, *arguments: str, within: str = ".") -> Session:
        """A session of pytest with these arguments, from a folder within."""
        report = self.folder / "tests.xml"
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml", str(report), *arguments]
        # without the folder in which this session began
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path[1:]), "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= {"TMPDIR": str(self.folder / "tmp"), "ATTENTION_HARNESS_WRITABLE": str(self.folder)}
        ran = subprocess.run(
            command, cwd=self.folder / within, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        session = Session(ran.returncode, ran.stdout + ran.stderr)
        for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():
            name = case.get("name")
            session.outcomes[name], session.messages[name] = _outcome(case)
            session.properties[name] = {one.get("name"): one.get("value") for one in case.iter("property")}
        report.unlink(missing_ok=True)
        return session

    def calls(self) -> int:
        """In how many processes the function was called since this was last asked."""
        marks = list(self.folder.glob("called-by-*"))
        for mark in marks:
            mark.unlink()
        return len(marks)


def _outcome(case: ElementTree.Element) -> tuple[str, str]:
    inner = next((one for one in case if one.tag != "properties"), None)
    if inner is None:
        return "passed", ""
    kind = "xfail" if inner.get("type") == "pytest.xfail" else inner.tag
    return kind, f"{inner.get('message')}\n{inner.text or ''}"


@pytest.fixture(scope="session")
def outcome_of() -> Callable[[ElementTree.Element], tuple[str, str]]:
    """The outcome of a test case of JUnit, and its message."""
    return _outcome


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Repository]:
    """`repository(name=text)`: a new one, with further files."""
    assert "attention_harness" in {one.name for one in entry_points(group="pytest11")}, "`python -m pip install -e .` again"

    def new(**files: str) -> Repository:
        made = Repository(tmp_path_factory.mktemp("repository"))
        for name, text in (FILES | {f"{name}.py": text for name, text in files.items()}).items():
            made.write(name, text)
        (made.folder / "tmp").mkdir()
        return made

    return new
