"""The programs of docs/findings.toml, each with the version that it was seen in: a test here fails on the day of a correction."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest

import attention_implementations

FINDINGS = tomllib.loads((Path(__file__).parents[2] / "docs" / "findings.toml").read_text(encoding="utf-8"))["finding"]
WITHOUT_A_ROW = {"flash-longer-values"}
"""Wrong calls that a library answers."""
PROGRAMS = {one["name"]: one for one in FINDINGS if "program" in one}


def outcome(program):
    """What the program prints, the name of its exception, or the signal that it died of. Triton reads it as a file."""
    with NamedTemporaryFile("w", suffix=".py", encoding="utf-8") as file:
        file.write(program)
        file.flush()
        command = [sys.executable, "-P", "-W", "ignore", file.name]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if ran.returncode < 0:
        return f"signal {signal.Signals(-ran.returncode).name}"
    return ran.stdout.strip() if ran.returncode == 0 else ran.stderr.strip().splitlines()[-1].partition(":")[0]


def absence(one):
    """Why its library is not here in the version that it was seen in; "" where it is."""
    if missing := [name for name in one["needs"] if not find_spec(name)]:
        return f"needs {missing[0]}"
    package, wanted = one["version"].split()
    try:
        there = version(package).partition("+")[0]
    except PackageNotFoundError:
        return f"needs {package}"
    return "" if there == wanted else f"{package} {there}, but it was seen in {wanted}"


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_fault_is_still_there(name):
    one = PROGRAMS[name]
    if reason := absence(one):
        pytest.skip(reason)
    if name == "openvino-f16" and "avx512_bf16" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("seen on a processor with bfloat16")
    got = outcome(one["program"])
    assert got == one["got"], f"{name} gives {got}: take it out of docs/findings.toml, and its waiver with it"


NAMED = re.compile(r"finding ([a-z0-9]+(?:-[a-z0-9]+)+)")


def named():
    """The findings that rows and waivers name: a call that is refused or written out otherwise, or known to fail."""
    (folder,) = map(Path, attention_implementations.__path__)
    return {name for file in folder.rglob("*") if file.suffix in (".py", ".toml") for name in NAMED.findall(file.read_text())}


def test_a_row_that_refuses_a_faulty_call_names_a_finding_that_there_is():
    assert named() <= {one["name"] for one in FINDINGS}


def test_a_fault_that_a_program_shows_is_waived_or_named_by_its_row():
    assert set(PROGRAMS) - named() <= WITHOUT_A_ROW


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_it_gives_is_not_what_is_right(name):
    one = PROGRAMS[name]
    assert one["got"] != one["expected"]
    assert one["version"].split()[0].replace("-", "_") in one["needs"]


@pytest.mark.parametrize(
    ("program", "seen"),
    [("print(1)", "1"), ("raise ValueError('x: y')", "ValueError"), ("import os; os.kill(os.getpid(), 8)", "signal SIGFPE")],
)
def test_the_end_of_a_program_is_told_apart(program, seen):
    assert outcome(program) == seen
