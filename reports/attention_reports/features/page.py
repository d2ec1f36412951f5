"""matrix.html and its badge: one offline file, in the looks of the report."""

from collections.abc import Sequence
from dataclasses import dataclass

from attention_reports.features.document import Changes
from attention_reports.features.measurements import KNOWN, REFUSED, RIGHT, UNTRIED, WRONG, Entry
from attention_reports.templating import asset, templates
from attention_reports.text import count

SIGNS = {RIGHT: "✓", WRONG: "✗", KNOWN: "w", REFUSED: "–", UNTRIED: ""}
MOST_PROGRAM = 4000


@dataclass(frozen=True)
class Headline:
    """What the page says first."""

    sentence: str
    tone: str


def headline(entries: Sequence[Entry]) -> Headline:
    """How many were judged, and how many have no red cell."""
    judged = [entry for entry in entries if entry.cells]
    right = sum(not entry.wrong for entry in judged)
    known = sum(bool(entry.known) for entry in judged)
    but = f", {known} of them but for known deviations" if known else ""
    sentence = f"{right} of {count(len(judged), 'implementation')} do what they declare{but}"
    return Headline(sentence, "right" if right == len(judged) else "wrong")


def render(entries: Sequence[Entry], changes: Changes | None) -> str:
    """The page as text. Whatever a run holds is shown as text."""
    judged = [entry for entry in entries if entry.cells]
    context = {
        "css": asset("report.css") + asset("features.css"),
        "js": asset("features.js"),
        "verdict": headline(entries),
        "entries": judged,
        "absent": [entry for entry in entries if not entry.cells],
        "columns": _columns(judged),
        "signs": SIGNS,
        "changes": changes.to_json() if changes else None,
        "most_program": MOST_PROGRAM,
    }
    return templates({}).get_template("features.html.j2").render(**context)


def _columns(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Group -> its features, in the order in which they were met."""
    columns: dict[str, list[str]] = {}
    for entry in entries:
        for cell in entry.cells:
            features = columns.setdefault(cell.group, [])
            if cell.feature not in features:
                features.append(cell.feature)
    return columns


def badge(entries: Sequence[Entry]) -> str:
    """A picture for a README: how many have no red cell. SVG."""
    first = headline(entries)
    return templates({}).get_template("badge.svg.j2").render(sentence=first.sentence, tone=first.tone)
