"""The sections of the page of an audit."""

import re
import shlex
from bisect import bisect_left
from typing import Any

from markupsafe import Markup

from attention_reports.audit import headline, pictures
from attention_reports.audit.matrix import matrices
from attention_reports.cells import Row
from attention_reports.load import Run
from attention_reports.tables import tabulate

MOST_FAILURES = 30
MOST_LETTERS = 300  # letters of a message: there are hundreds, and the page stays under a megabyte
NARROWEST = 0.4  # a full bar of the vacuous cases stands for at least this share
QUARTERS = [0.25, 0.5, 0.75, 0.9]
_ISSUE = re.compile(r"([\w.-]+/[\w.-]+)#(\d+)")
_COMMIT = re.compile(r"([\w.-]+/[\w.-]+)(?:@| commit )([0-9a-f]{6,40})")


def sections(run: Run) -> dict[str, Any]:
    """The values for the template beside those of every run; empty for other runs."""
    if not run.audits:
        return {}
    steps = _steps(run)
    rows = tabulate(run, "standing of faults").to_dict("records")
    faults = [{**_fault(row, place, steps), "command": _command(run, row)} for place, row in enumerate(rows, 1)]
    environment = tabulate(run, "environment")
    lines = [f"{fact}: {value}" for fact, value in zip(environment["fact"], environment["value"], strict=True)]
    audit = {**_first_screen(run, faults, steps), **_evidence(run), "faults": faults}
    return {"audit": audit, "verdict": headline.verdict(run), "environment": [*lines, *headline.method(run)]}


def link(text: str) -> str:
    """The address of an issue, a pull request or a commit on GitHub that `owner/repo#1` names; "" for anything else."""
    if issue := _ISSUE.fullmatch(text):
        return f"https://github.com/{issue[1]}/issues/{issue[2]}"
    if commit := _COMMIT.fullmatch(text):
        return f"https://github.com/{commit[1]}/commit/{commit[2]}"
    return ""


def short(text: str) -> str:
    """A link without the owner of the repository: what stands in a column."""
    return text.partition("/")[2] or text


def _message(row: Row) -> str:
    """The message of the first rejection and its case; the whole text is in the CSV."""
    message = f"{row['message']} [{row['case']}]" if row["case"] else row["message"]
    return message if len(message) <= MOST_LETTERS else f"{message[: MOST_LETTERS - 1]}…"


FILTERS = {"short": short}


def _first_screen(run: Run, faults: list[Row], steps: list[int]) -> dict[str, Any]:
    failures = headline.failures(run)
    return {
        "caught": headline.caught(run),
        "accusing": headline.accusing(run),
        "compared": headline.compared(run),
        "squares": sorted(faults, key=lambda fault: (not fault["survived"], fault["cases"])),
        "counts": _counts(faults, steps),
        "drawn": _drawn(run),
        "failures": failures[:MOST_FAILURES],
        "unshown": len(failures) - MOST_FAILURES,
    }


def _steps(run: Run) -> list[int]:
    """The cases by which a quarter of what was rejected had been, half of it, and so on."""
    cases = run.faults.loc[run.faults["killed_by"] != "", "cases"]
    return sorted({int(value) for value in cases.quantile(QUARTERS, interpolation="higher")}) if len(cases) else []


def _counts(faults: list[Row], steps: list[int]) -> list[tuple[str, str, int]]:
    """The kinds of squares: class, words, how many."""
    words = ["by the first case" if step == 1 else f"by case {step:,}" for step in steps]
    kinds = [("survived", "survived"), *((f"soon-{place}", label) for place, label in enumerate([*words, "later"]))]
    amounts = [(kind, words, sum(fault["kind"] == kind for fault in faults)) for kind, words in kinds]
    return [entry for entry in amounts if entry[2]]


def _fault(row: Row, place: int, steps: list[int]) -> Row:
    kind = "survived" if row["survived"] else f"soon-{bisect_left(steps, row['cases'])}"
    return {**row, "id": f"fault-{place}", "kind": kind, "address": link(row["link"]), "rejection": _message(row)}


def _command(run: Run, row: Row) -> str:
    """The line that tries the fault alone."""
    file = run.section("arguments").get("file")
    return shlex.join(["attention-harness", "audit", *([str(file), "--only"] if file else []), str(row["fault"])])


def _drawn(run: Run) -> str:
    """The options by which a single fault is tried on the cases of this run."""
    arguments = run.section("arguments")
    return " ".join(f"--{name} {arguments[name]}" for name in ("examples", "seed") if isinstance(arguments.get(name), int))


def _evidence(run: Run) -> dict[str, Any]:
    vacuity, idle = tabulate(run, "vacuity"), tabulate(run, "idle properties")
    marks = tabulate(run, "first rejection").to_dict("records")
    drawn = [pictures.soon(f"in-{unit}", run.faults, marks, unit) for unit in ("cases", "seconds")]
    return {
        "pictures": [Markup(picture) for picture in drawn if picture],
        "matrices": matrices(run),
        "classes": tabulate(run, "mutation score by class").to_dict("records"),
        "idle": idle[idle["rejected"] > 0].to_dict("records"),
        "silent": idle[idle["rejected"] == 0].to_dict("records"),
        "vacuity": vacuity[vacuity["share"] > 0].to_dict("records"),
        "widest": max([NARROWEST, *vacuity["share"]]),
        "never_vacuous": int((vacuity["share"] == 0).sum()),
        "too_vacuous": headline.vacuous(run),
        "other_checks": tabulate(run, "other_checks").to_dict("records"),
        "controls": tabulate(run, "controls").to_dict("records"),
        "accusations": tabulate(run, "accusations").to_dict("records"),
    }
