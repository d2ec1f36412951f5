"""The matrix of features: which cell a failure turns red, what the page shows of it, and what two matrices differ in."""

import json

import pandas as pd
import pytest

import attention_reports as reports
from attention_reports import write_table
from attention_reports.features.document import changes, document, read
from attention_reports.features.measurements import KNOWN, REFUSED, RIGHT, UNTRIED, WRONG, entries
from attention_reports.features.page import headline

DESCRIBED = {
    "name": "mine", "spec": "attention", "framework": "numpy", "version": "1.0", "device": "cpu", "options": ["mask", "scale"],
    "dtypes": ["float32", "float16"], "conventions": {"empty_rows": "zeros"}, "gradient": False, "lowered": ["window -> mask"],
}  # fmt: skip


def row(clause, outcome, **more):
    """A row of checks.parquet."""
    default = {
        "implementation": "mine",
        "dtype": "float32",
        "property": f"of_{clause}",
        "clause": clause,
        "outcome": outcome,
        "case": "",
    }
    return {"spec": "attention", "cases": 3, "message": "", **default, **more}


@pytest.fixture
def stored(tmp_path):
    """Writes a run: its rows, the problems of its cases, and the worst error of its declared precision."""

    def write(name, rows, problems=None, worst=0.5, **described):
        folder = tmp_path / name
        (folder / "cases").mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"schema": 1, "implementations": [DESCRIBED | described]}))
        write_table(folder, "checks", reports.Run.load(folder).checks.iloc[:0] if not rows else pd.DataFrame(rows))
        fits = [{"implementation": "mine", "dtype": "float32", "model": "exact", "declared": 1, "tightest": 1, "worst": worst}]
        write_table(folder, "precision", pd.DataFrame(fits))
        for case, problem in (problems or {}).items():
            (folder / "cases" / f"{case}.json").write_text(json.dumps({"problem": problem}))
            (folder / "cases" / f"{case}.py").write_text("print('<it>')")
        return reports.Run.load(folder)

    return write


def states(run):
    (entry,) = entries([run])
    return {(cell.group, cell.feature): cell.state for cell in entry.cells}


def test_without_a_failure_what_is_declared_is_right_and_what_is_not_is_refused(stored):
    seen = states(stored("run", [row("P4", "agrees"), row("P5", "vacuous")]))
    assert seen["option", "mask"] == seen["option", "window"] == seen["dtype", "float32"] == RIGHT
    assert seen["option", "softcap"] == REFUSED
    assert seen["convention", "empty_rows"] == seen["dtype", "float16"] == seen["gradient", "gradient"] == UNTRIED


def test_a_failure_speaks_against_what_its_smallest_case_needs_and_nothing_else(stored):
    problem = {"mask": ["random", 1], "key_heads": 1, "query_heads": 2}
    seen = states(stored("run", [row("P4", "violates", case="c"), row("M1", "agrees")], {"c": problem}))
    red = {feature for (_, feature), state in seen.items() if state == WRONG}
    assert red == {"mask", "grouped heads", "float32"}


def test_a_red_cell_has_the_smallest_of_its_cases_with_its_program(stored):
    rows = [row("P4", "violates", case="large", message="large"), row("M1", "violates", case="small", message="small")]
    problems = {"large": {"mask": 1, "softcap": 1, "scale": 1}, "small": {"mask": 1}}
    (entry,) = entries([stored("run", rows, problems)])
    (cell,) = [cell for cell in entry.cells if cell.feature == "mask"]
    assert (cell.message, cell.problem, cell.program) == ("small", {"mask": 1}, "print('<it>')")


@pytest.mark.parametrize(
    ("clause", "group", "feature"),
    [("P5", "convention", "empty_rows"), ("P11", "convention", "thread_safe"), ("G2", "gradient", "gradient")],
)
def test_a_clause_speaks_about_its_convention(stored, clause, group, feature):
    assert states(stored("run", [row(clause, "violates")]))[group, feature] == WRONG


def test_a_declared_precision_that_a_sample_breaks_is_red(stored):
    assert states(stored("run", [row("P4", "agrees")], worst=1.2))["precision", "float32"] == WRONG
    assert states(stored("other", [row("P4", "agrees")], worst=0.9))["precision", "float32"] == RIGHT


def test_a_known_deviation_is_neither_right_nor_wrong(stored):
    rows = [row("M1", "agrees"), row("S6", "waived", case="c", message="as known")]
    run = stored("run", rows, {"c": {"mask": 1}})
    assert states(run)["option", "mask"] == KNOWN
    assert states(run)["option", "scale"] == RIGHT
    assert headline(entries([run])).sentence == "1 of 1 implementation do what they declare, 1 of them but for known deviations"


def test_a_failure_counts_before_a_known_deviation(stored):
    rows = [row("P4", "violates", case="c", message="new"), row("S6", "waived", case="c", message="as known")]
    (entry,) = entries([stored("run", rows, {"c": {"mask": 1}})])
    (cell,) = [cell for cell in entry.cells if cell.feature == "mask"]
    assert (cell.state, cell.message) == (WRONG, "new")


def test_two_versions_stand_side_by_side_and_a_later_run_of_one_counts(stored):
    runs = [
        stored("a", [row("P4", "agrees")]),
        stored("b", [row("P4", "agrees")], version="2.0"),
        stored("c", [row("P4", "agrees")]),
    ]
    assert [(entry.version, entry.run) for entry in entries(runs)] == [("1.0", "c"), ("2.0", "b")]


def test_the_changes_of_two_matrices(stored):
    before = document(entries([stored("a", [row("P4", "agrees"), row("P5", "violates")])]))
    after = document(entries([stored("b", [row("P5", "agrees"), row("P4", "agrees")], version="1.0")]))
    seen = changes(before, after)
    assert (seen.new, seen.mended) == ([], ["mine 1.0 cpu: dtype float32", "mine 1.0 cpu: convention empty_rows"])
    seen = changes(after, before)
    assert (seen.new, seen.mended) == (["mine 1.0 cpu: dtype float32", "mine 1.0 cpu: convention empty_rows"], [])
    other = document(entries([stored("c", [row("P4", "agrees")], version="2.0")]))
    seen = changes(before, other)
    assert (seen.appeared, seen.gone, seen.new) == (["mine 2.0 cpu"], ["mine 1.0 cpu"], [])


def test_the_page_shows_foreign_text_as_text_and_is_one_file(stored, tmp_path):
    run = stored(
        "run", [row("P4", "violates", case="c", message="<script>alert(1)</script>")], {"c": {"mask": 1}}, version="<b>1</b>"
    )
    page = reports.write_matrix([run], tmp_path / "page").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<b>1</b>" not in page
    assert "&lt;it&gt;" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "0 of 1 implementation" in page


def test_the_badge_says_how_many(stored, tmp_path):
    reports.write_matrix([stored("run", [row("P4", "agrees")])], tmp_path / "page")
    assert "1 of 1 implementation" in (tmp_path / "page" / "badge.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["[]", "{", '{"version": 2, "entries": []}', '{"version": 1, "entries": [{}]}'])
def test_a_file_that_is_no_matrix_is_one_line(tmp_path, text):
    (tmp_path / "matrix.json").write_text(text)
    with pytest.raises(reports.ReportError, match="but should be") as raised:
        read(tmp_path / "matrix.json")
    assert "\n" not in str(raised.value)


def test_every_feature_of_the_columns_has_a_judge_among_the_properties():
    from attention_harness.conformance.check import load_properties
    from attention_reports.features.columns import CONVENTIONS
    from attention_specs.contract import CHOICES
    from attention_specs.property import PROPERTIES

    load_properties()
    ids = {property_.id for property_ in PROPERTIES.values()}
    assert {clause for clauses in CONVENTIONS.values() for clause in clauses} <= ids
    assert set(CONVENTIONS) <= set(CHOICES)
