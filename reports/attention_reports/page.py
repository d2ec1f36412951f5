"""report.html: one offline file with the verdict, its evidence, the speeds and a recommendation."""

from typing import Any

from markupsafe import Markup

from attention_reports import headline, outcomes, pictures
from attention_reports.audit import page as audit
from attention_reports.cells import Cell, failures
from attention_reports.findings import findings
from attention_reports.load import Run
from attention_reports.matrix import MOST_EVIDENCE, anchors, matrices
from attention_reports.tables import LISTED, tabulate
from attention_reports.templating import asset, templates
from attention_reports.timing import page as timing

MOST_PICTURES = 20  # a picture is ten kilobytes, and the page stays under a megabyte
MOST_IN_HEAT_MAP = 48
MOST_IN_PROFILE = 40
MOST_ON_FIRST_SCREEN = 4


def render(run: Run) -> str:
    """The page as text. Whatever a run holds is shown as text: markup is escaped, control characters are spelled out."""
    sections = {
        **_first_screen(run),
        **_findings(run),
        **_conformance(run),
        **timing.sections(run),
        **_about(run),
        **audit.sections(run),
    }
    styles = {"css": asset("report.css"), "js": asset("report.js")}
    styles |= {"audit_css": asset("audit.css"), "audit_js": asset("audit.js")} if run.audits else {}
    return templates(audit.FILTERS).get_template("report.html.j2").render(run=run, **styles, **sections)


def _first_screen(run: Run) -> dict[str, Any]:
    counts = tabulate(run, "outcome counts")
    return {
        "verdict": headline.verdict(run),
        "interruption": headline.interruption(run),
        "unknown": headline.unknown(run),
        "counts": [
            (outcomes.named(name), amount) for name, amount in zip(counts["outcome"], counts["checks"], strict=True) if amount
        ],
        "tried": headline.tried(run),
        "absent": headline.absent(run),
        "speed": [*headline.speed(run), *headline.budget(run)],
        "trust": headline.trust(run),
        "fastest": tabulate(run, "fastest").to_dict("records"),
        "agreeing": [
            row["implementation"] for row in tabulate(run, "standing").to_dict("records") if row["standing"] == "agrees"
        ],
    }


def _findings(run: Run) -> dict[str, Any]:
    """The findings, each cause once; the first with its smallest case and its picture."""
    every = findings(run)
    first = every[:MOST_ON_FIRST_SCREEN]
    items = [
        _evidence(run, finding.head, f"finding-{place}") | {"summary": finding.summary, "others": finding.others}
        for place, finding in enumerate(first, 1)
    ]
    return {"findings": items, "more_findings": len(every) - len(first)}


def _conformance(run: Run) -> dict[str, Any]:
    failing = failures(run)
    matrix = tabulate(run, "agreement")
    drawable = 2 <= len(matrix) <= MOST_IN_HEAT_MAP
    return {
        "roomy": 12,
        "matrices": matrices(run),
        "anchors": anchors(run),
        "evidence": [
            _evidence(run, cell, f"failure-{place}", place <= MOST_PICTURES)
            for place, cell in enumerate(failing[:MOST_EVIDENCE], 1)
        ],
        "unshown": max(0, len(failing) - MOST_EVIDENCE),
        "heat_map": Markup(pictures.agreement("agreement", matrix)) if drawable else "",
        "apart": tabulate(run, "standing apart").to_dict("records"),
        **_precision(run),
    }


def _precision(run: Run) -> dict[str, Any]:
    """Implementation -> dtype -> its row, and the dtypes in the order in which they came."""
    rows = tabulate(run, "precision")
    by_name = {
        str(name): {row["dtype"]: row for row in group.to_dict("records")}
        for name, group in rows.groupby("implementation", sort=False)
    }
    return {"precision": by_name, "dtypes": list(dict.fromkeys(rows["dtype"]))}


def _evidence(run: Run, cell: Cell, name: str, draw: bool = True) -> dict[str, Any]:
    """A failing cell with its minimal case; the problem in it is what a reader wants to see, the arrays are not there."""
    case = run.case(cell.witness["case"])
    picture, problem = case.get("picture"), case.get("problem")
    drawn = pictures.counterexample(f"{name}-picture", picture) if isinstance(picture, dict) and draw else ""
    fields = problem.items() if isinstance(problem, dict) else ()
    return {
        "id": name,
        "cell": cell,
        "contrast": cell.contrast,
        "others": cell.others,
        "problem": [(k, v) for k, v in fields if v not in (None, "", [], {})],
        "picture": Markup(drawn),
    }


def _about(run: Run) -> dict[str, Any]:
    conventions = tabulate(run, "conventions")
    usual = {name: conventions[name].mode().iloc[0] for name in conventions.columns[1:] if conventions[name].any()}
    environment = tabulate(run, "environment")
    lines = [f"{fact}: {value}" for fact, value in zip(environment["fact"], environment["value"], strict=True)]
    lines += [headline.trust(run)[1]] if headline.trust(run)[1] else []
    return {
        "conventions": conventions,
        "usual": usual,
        "options": tabulate(run, "options taken").to_dict("records"),
        "example": _example(run),
        "profile": _profile(run),
        "regions": _regions(run),
        "environment": [*lines, *headline.method(run)],
        "notes": [str(note) for note in run.metadata.get("notes") or []],
        "tables": [(name, rows) for name, rows in ((name, tabulate(run, name)) for name in LISTED) if len(rows)],
    }


def _example(run: Run) -> dict[str, Any]:
    """The worked example: its expected numbers word by word, and what each implementation got."""
    example = run.section("worked_example")
    words, expected = example.get("words") or [], example.get("expected") or []
    if not expected:
        return {}
    got = example.get("got") or {}
    rows = tabulate(run, "worked example").to_dict("records")
    wanted = list(zip(words, expected, strict=False))
    return {
        "source": example.get("source", ""),
        "wanted": wanted,
        "rows": [(row, got.get(row["implementation"]) or []) for row in rows],
    }


def _profile(run: Run) -> dict[str, Any]:
    """Where the time of the checks went: the picture, and each part in words."""
    seconds = tabulate(run, "profile")
    if not len(seconds):
        return {}
    meanings = dict(zip(run.profile["part"], run.profile["meaning"], strict=True))
    slowest = seconds.head(MOST_IN_PROFILE)
    return {
        "picture": Markup(pictures.profile("profile", slowest)),
        "parts": [(part, meanings[part], float(seconds[part].sum())) for part in seconds.columns],
        "unshown": len(seconds) - len(slowest),
    }


def _regions(run: Run) -> list[tuple[str, list[tuple[str, int, float]]]]:
    """Each region with its values, how many cases fell there, and that as a share of the fullest value."""
    regions = []
    for region, group in run.coverage.groupby("region", sort=False):
        fullest = max(1, int(group["cases"].max()))
        pairs = zip(group["value"], group["cases"], strict=True)
        regions.append((str(region), [(str(value), int(cases), int(cases) / fullest) for value, cases in pairs]))
    return regions
