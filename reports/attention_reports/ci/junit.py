"""JUnit XML: a suite for each implementation, a test case for each property and dtype."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from attention_reports import outcomes
from attention_reports.cells import Row
from attention_reports.load import Run
from attention_reports.store import write_text
from attention_reports.text import in_words, visible

ELEMENTS = {"violates": "failure", "agrees": ""}
"""Outcome -> the element of its test case. All others that blame an implementation, and a check that says too little, are errors;
the rest is skipped."""


def write_junit(run: Run, path: Path) -> Path:
    """Writes the file whole or not at all. OSError where that fails."""
    return write_text(path, render(run))


def render(run: Run) -> str:
    """The checks as a document. Characters that XML does not allow are spelled out."""
    root = Element("testsuites", name="attention-harness")
    for name, group in run.checks.groupby("implementation", sort=False):
        rows = group.to_dict("records")
        suite = SubElement(root, "testsuite", {"name": visible(name), **_totals(rows)})
        if started := run.metadata.get("started"):
            suite.set("timestamp", visible(started))
        _properties(suite, _conditions(run))
        for row in rows:
            _case(suite, row)
    root.attrib |= _totals(run.checks.to_dict("records"))
    indent(root, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _case(suite: Element, row: Row) -> None:
    """One property in one dtype; without a property, the implementation as a whole."""
    name = " ".join(filter(None, [row["clause"], row["property"]])) or "implementation"
    dtype = f"[{row['dtype']}]" if row["dtype"] else ""
    case = SubElement(
        suite, "testcase", classname=visible(row["implementation"]), name=visible(f"{name}{dtype}"), time=_seconds([row])
    )
    _properties(case, ((key, row[key]) for key in ("clause", "spec", "outcome", "cases", "case", "replay") if row[key] != ""))
    if element := _element(row["outcome"]):
        sentence = row["message"] or f"{row['outcome']}: {in_words(row['property'])}"
        result = SubElement(case, element, type=visible(row["outcome"]), message=visible(sentence))
        result.text = visible(sentence) + (f"\nreplay: {visible(row['replay'])}" if row["replay"] else "")


def _element(outcome: str) -> str:
    wrong = "error" if outcomes.fails(outcome) or outcome == "too-little" else "skipped"
    return ELEMENTS.get(outcome, wrong)


def _conditions(run: Run) -> Iterator[tuple[str, object]]:
    """What decides the result: seed, number of examples, versions."""
    if (seed := run.metadata.get("seed")) is not None:
        yield "seed", seed
    if (examples := run.section("arguments").get("examples")) is not None:
        yield "examples", examples
    environment = run.section("environment")
    yield "python", environment.get("python", "unknown")
    packages = environment.get("packages")
    yield from packages.items() if isinstance(packages, dict) else ()


def _properties(parent: Element, pairs: Iterator[tuple[str, object]]) -> None:
    properties = SubElement(parent, "properties")
    for name, value in pairs:
        SubElement(properties, "property", name=visible(name), value=visible(value))


def _totals(rows: Sequence[Row]) -> dict[str, str]:
    elements = [_element(row["outcome"]) for row in rows]
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    counts = {name: str(elements.count(element)) for name, element in kinds.items()}
    return {"tests": str(len(rows)), **counts, "time": _seconds(rows)}


def _seconds(rows: Sequence[Row]) -> str:
    return f"{sum(row['seconds'] for row in rows):.3f}"
