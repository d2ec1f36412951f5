"""What holds for the code as a whole."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from attention_harness.conformance.check import load_properties
from attention_specs.property import PROPERTIES

ROOT = Path(__file__).parents[1]
FOLDERS = ("specs", "implementations", "harness", "reports")


def files(pattern, folders):
    """Those of the repository itself: a virtual environment or a run that lies in the checkout has files of others."""
    left_out = {"__pycache__", "generated", "example"}
    return sorted(
        path.relative_to(ROOT)
        for folder in folders
        for path in (ROOT / folder).rglob(pattern)
        if left_out.isdisjoint(path.relative_to(ROOT).parts)
    )


MODULES = files("*.py", (*FOLDERS, "docs", "tests"))
TOLERANCES = {
    "rtol",
    "atol",
    "rel_tol",
    "abs_tol",
    "allclose",
    "assert_allclose",
    "isclose",
    "approx",
    "assert_almost_equal",
    "tol",
    "TOL",
    "tolerance",
    "TOLERANCE",
}
SMALL = 1e-2
LONGEST = 300

OLD_NAMES = {
    "found",
    "Found",
    "told",
    "shown",
    "counted",
    "facts",
    "Facts",
    "FACTS",
    "truth",
    "truths",
    "Truths",
    "visit",
    "Visit",
    "Inside",
    "sound",
    "SOUND",
    "peer",
    "peers",
    "Peer",
    "claim",
    "claims",
    "Claim",
    "CLAIMS",
    "load_claims",
    "claims_of",
    "spread",
    "agenda",
    "corner",
    "corners",
    "CORNERS",
    "alternate",
    "lab",
    "Lab",
    "misuse",
    "said",
    "Said",
    "Trouble",
    "Lost",
    "Subject",
    "Checking",
    "Checked",
    "Kept",
    "Sampled",
    "Measured",
    "Ran",
    "Tried",
    "Warmed",
    "Watched",
    "Remembered",
    "Recalling",
    "Scripted",
    "Suspect",
    "Suspected",
    "Listening",
    "trouble",
}
"""Identifiers that were replaced by nouns of the field; they may not come back."""

OLD_WORDS = re.compile(r"\b(agenda|corners?|peers|claims?|sound (?:function|variant)s?)\b", re.IGNORECASE)
ALIASES = re.compile(r"--(?:claim|peers)\b|[\"`](?:sound|peers)(?:\.parquet)?[\"`]")
"""Former names of options and of tables: they are still understood."""

each_module = pytest.mark.parametrize("module", MODULES, ids=str)


def names_in(tree):
    """Identifiers of the code: names, attributes, arguments, keywords and imports, but no text."""
    for node in ast.walk(tree):
        for attribute in ("id", "attr", "arg", "name"):
            name = getattr(node, attribute, None)
            if isinstance(name, str):
                yield name


def test_a_folder_can_be_taken_in_at_a_glance():
    folders = Counter(module.parent for module in MODULES)
    assert {str(folder): n for folder, n in folders.items() if n > 20 and folder.name != "faults"} == {}
    harness = ROOT / "harness" / "attention_harness"
    assert len([path for path in harness.iterdir() if path.name != "__pycache__"]) <= 14


@pytest.mark.parametrize(
    "module",
    [
        "attention_harness",
        "attention_harness.conformance.closeness.assertion",
        "attention_harness.cli.app",
        "attention_harness.runs.run",
        "attention_specs.attention.spec",
        "attention_reports",
    ],
)
def test_importing_loads_no_framework(module):
    assert not {"torch", "jax", "ray"} & imported_by(module)


FOR_LATER = {"hypothesis", "pandas", "matplotlib", "jinja2", "rich", "onnx", "pytest"}
"""Each takes 10 to 500 ms to import."""


@pytest.mark.parametrize("module", ["cli.app", "runs.executors", "runs.run", "process.server", "timing.process.server"])
def test_a_process_starts_with_what_it_needs_at_once(module):
    assert not FOR_LATER & imported_by(f"attention_harness.{module}")


def imported_by(module):
    """The names of the modules that are there once this one is imported in a fresh process."""
    code = f"import sys, {module}; print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True)
    return set(ran.stdout.split())


def measures_time(module):
    """Times are estimates, not answers of an attention: tests of the statistics may compare approximately."""
    return module.name.startswith("test_timing") or ("timing" in module.parts and "tests" in module.parts)


def restates(module):
    """Peers: the rules of other people, tolerances included, restated to be compared with. Nothing else judges by them."""
    return "other_checks" in module.parts


def judges(module):
    """Faults are wrong by small numbers on purpose, pauses are short, and words for numbers are chosen by their sizes."""
    apart = {"test_architecture.py"}
    return not (measures_time(module) or {"faults", "timing", "reports"} & set(module.parts) or module.name in apart)


@pytest.mark.parametrize("module", [m for m in MODULES if not (measures_time(m) or restates(m))], ids=str)
def test_no_tolerance_is_written_down(module):
    assert set(names_in(ast.parse((ROOT / module).read_text()))) & TOLERANCES == set()


def small_numbers_compared(tree):
    """Comparisons of something with a number that is written down, near 0 or nearly 1: what a tolerance looks like."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                values = [n.value for n in ast.walk(side) if isinstance(n, ast.Constant) and isinstance(n.value, float)]
                if any(0 < abs(value) < SMALL or 0 < abs(1 - value) < SMALL for value in values):
                    yield ast.unparse(node)


@pytest.mark.parametrize("module", [module for module in MODULES if judges(module)], ids=str)
def test_nothing_is_compared_with_a_small_number(module):
    assert list(small_numbers_compared(ast.parse((ROOT / module).read_text()))) == []


@pytest.mark.parametrize(
    "code", ["abs(a - b) < 1e-6", "e <= 1e-3 * abs(b)", "a > 1 - 1e-5", "0.999 < r", "(a - b).max() < 2.5e-4"]
)
def test_such_a_comparison_is_seen(code):
    assert list(small_numbers_compared(ast.parse(code))) == [ast.unparse(ast.parse(code, mode="eval"))]


@pytest.mark.parametrize("code", ["ratio <= 1", "out.max() < bound", "a > 0.0", "ratio > 0.02", "x == 0.5"])
def test_a_bound_is_none(code):
    assert list(small_numbers_compared(ast.parse(code))) == []


@each_module
def test_no_old_name_is_an_identifier(module):
    assert set(names_in(ast.parse((ROOT / module).read_text()))) & OLD_NAMES == set()


TEXTS = [*MODULES, *files("*.md", (*FOLDERS, "tests", "docs")), Path("README.md"), Path("CONTRIBUTING.md")]


@pytest.mark.parametrize("text", [path for path in TEXTS if path.name != "test_architecture.py"], ids=str)
def test_no_old_word_is_left(text):
    lines = (ROOT / text).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if OLD_WORDS.search(ALIASES.sub("", line))] == []


@each_module
def test_modules_say_what_they_are_and_are_short(module):
    text = (ROOT / module).read_text()
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= LONGEST


def test_no_package_hides_another():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_implementations_do_not_see_the_oracle():
    hidden = {
        "attention_specs.attention.oracle",
        "attention_specs.attention.bounds",
        "attention_specs.precision",
        "attention_specs.judge",
        "attention_specs.attention.spec",
        "attention_specs.multi_head.oracle",
        "attention_specs.merge.oracle",
    }
    for module in MODULES:
        if module.parts[0] == "implementations":
            tree = ast.parse((ROOT / module).read_text())
            imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            assert not imported & hidden, module


def anchors():
    """Clause and name of each property that the document states, as `**P4 output_agrees_with_the_oracle.**`."""
    return re.findall(r"^\*\*([A-Z]+\d+) ([a-z_0-9]+)\.\*\*", (ROOT / "specs" / "attention.md").read_text(), re.MULTILINE)


def test_every_property_is_stated_once_in_the_document_and_every_statement_has_a_property():
    load_properties()
    stated = Counter((property_.id, name) for name, property_ in PROPERTIES.items())
    assert Counter(anchors()) == stated


def test_no_clause_of_the_document_is_numbered_twice():
    clauses = re.findall(r"^\*\*([A-Z]+\d+)[ .]", (ROOT / "specs" / "attention.md").read_text(), re.MULTILINE)
    assert [clause for clause, times in Counter(clauses).items() if times > 1] == []
