"""report.md of an audit: verdict, classes of faults, reasons to fail, and other checks."""

from attention_reports.audit import headline
from attention_reports.cells import Row
from attention_reports.github import MARKS, escape, fenced, table
from attention_reports.headline import interruption, unknown
from attention_reports.load import Run
from attention_reports.tables import tabulate
from attention_reports.text import count, duration, in_words, portion

MOST_SURVIVORS = 60
MOST_FAILURES = 12
MOST_CLASSES = 80


def blocks(run: Run) -> list[str]:
    """The blocks of the comment."""
    return [*_verdict(run), *_classes(run), *_survivors(run), *_failures(run), *_idle(run), *_other_checks(run)]


def _verdict(run: Run) -> list[str]:
    verdict = headline.verdict(run)
    text = " ".join([*headline.caught(run), *headline.accusing(run)])
    return [f"### {MARKS[verdict.tone]} {escape(verdict.sentence, 2000)}", *_notes(run), escape(text, 2000)]


def _notes(run: Run) -> list[str]:
    return [escape(note, 1000) for note in (interruption(run), unknown(run))]


def _classes(run: Run) -> list[str]:
    """One line for each class; which property comes first says the most about what the others are for."""
    head = ["class", "", "faults", "rejected", "median cases", "first rejected by"]
    return [table(head, [_class(row) for row in tabulate(run, "mutation score by class").to_dict("records")[:MOST_CLASSES]])]


def _class(row: Row) -> list[str]:
    missed = "" if row["rejected"] == row["faults"] else "❌ "
    numbers = [f"{row['faults']:,}", f"{missed}{row['rejected']:,}", headline.median(row["median cases"])]
    return [escape(row["class"], 40), escape(row["name"], 80), *numbers, escape(headline.firsts(row["first"]), 160)]


def _survivors(run: Run) -> list[str]:
    rows = [row for row in tabulate(run, "standing of faults").to_dict("records") if row["survived"]]
    lines = [[escape(row["fault"], 80), escape(row["family"], 40), escape(row["link"], 80), f"{row['cases']:,}"] for row in rows]
    more = f"{count(len(rows) - MOST_SURVIVORS, 'further survivor')} in report.html and faults.csv."
    survivors = table(["survivor", "class", "seen in", "cases"], lines[:MOST_SURVIVORS])
    return ["#### What survived" if rows else "", survivors, more if len(rows) > MOST_SURVIVORS else ""]


def _failures(run: Run) -> list[str]:
    """Every accusation with its message, then what else makes the audit fail."""
    accused, others = tabulate(run, "accusations").to_dict("records"), headline.further(run)
    accusations = [
        f"**{escape(row['name'])}** is accused: {escape(in_words(row['accused_by']))}\n\n{_case(row)}" for row in accused
    ]
    reasons = "\n".join(f"- {escape(reason, 600)}" for reason in others[:MOST_FAILURES])
    left = max(0, len(accused) - MOST_FAILURES) + max(0, len(others) - MOST_FAILURES)
    more = f"{count(left, 'further reason')} in run.json." if left else ""
    return ["#### Why it fails" if accusations or others else "", *accusations[:MOST_FAILURES], reasons, more]


def _case(row: Row) -> str:
    return fenced(row["message"][:600], row["case"][:400])


def _idle(run: Run) -> list[str]:
    sentences = [*headline.idle(run), *filter(None, [headline.vacuous(run)])]
    return ["\n".join(f"- {escape(sentence, 2000)}" for sentence in sentences)]


def _other_checks(run: Run) -> list[str]:
    head = ["check", "faults found", "", "false alarms", "time", "from"]
    checks = table(head, [_other_check(row) for row in tabulate(run, "other_checks").to_dict("records")])
    return ["#### Beside the checks in use" if checks else "", checks]


def _other_check(row: Row) -> list[str]:
    name, source = escape(row["check"], 80), escape(row["source"], 160)
    if not row["faults"]:
        return [name, "not run", "", "", "", source]
    rejected, alarms = (f"{row[a]:,} of {row[b]:,}" for a, b in (("faults_found", "faults"), ("false_alarms", "controls")))
    return [name, portion(float(row["share"])), rejected, alarms, duration(float(row["seconds"])), source]
