"""Findings: failures of one likely cause together, and the finding that explains most first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from attention_reports.cells import Cell, Row, cause, failures
from attention_reports.load import Run
from attention_reports.text import in_words, listed

DIED = ("crashed", "timed-out", "out-of-memory", "errored")
"""Outcomes without an answer, worst first: they come before all wrong answers."""

JUDGED_BY_THE_ORACLE = {
    "calls": ("P1", "L1", "P2", "L2", "P3", "L3"),
    "out": (
        "P4", "L4", "E1", "L0", "V1", "L17", "L18", "W4", "W1", "W2", "W3", "W5", "W6", "W7", "T1", "T2", "T3", "T5", "T7",
        "S2", "S3", "S5", "S6", "S7", "M8", "P10", "L8", "P15", "L19", "P17",
    ),
    "empty rows": ("P5", "L5"),
    "lse": ("P6",),
    "weights": ("P7", "L6", "V2"),
    "gradients": ("G2", "G3", "G1", "G4", "G6", "G5", "G8"),
}  # fmt: skip
"""Subject -> the properties that compare it with the specification itself, those that say most about it first.

All other properties are relations: they compare two answers. Calls that give other bits each time (P10, L8)
explain relations that fail, and so stand before them.
"""
_RANK = {id: rank for rank, id in enumerate(id for clauses in JUDGED_BY_THE_ORACLE.values() for id in clauses)}
_SUBJECT = {id: subject for subject, clauses in JUDGED_BY_THE_ORACLE.items() for id in clauses}
RELATIONS = {"P8": "weights", "L7": "weights", "S4": "weights", "P9": "lse", "P16": "weights", "D1": "lse", "D2": "lse"}
"""Relations about something else than the output."""

MOST_NAMED = 6


@dataclass(frozen=True)
class Finding:
    """One failure, as the cell of its property, and the cells that fail by the same cause most likely."""

    head: Cell
    same: tuple[Cell, ...] = ()
    looks_like: str = ""
    """The wrong reading that explains it; "" where none is known, or an earlier finding of the implementation has it."""

    @property
    def others(self) -> list[Row]:
        """The other failures of these properties."""
        failures = self.head.others
        for failure in (failure for cell in self.same for failure in cell.others):
            if not any(_same_cause(known, failure) for known in (self.head.witness, *failures)):
                failures.append(failure)
        return failures

    @property
    def summary(self) -> str:
        """The number of properties that fail likewise, and their names; "" where none does."""
        names = [in_words(name) for name in dict.fromkeys(cell.name for cell in self.same)]
        if not names:
            return ""
        more = "1 more property fails" if len(names) == 1 else f"{len(names)} more properties fail"
        why = "by the same cause most likely" if self.head.outcome.name == "violates" else "in the same words"
        return f"{more}, {why}: {listed(names, MOST_NAMED)}"


def findings(run: Run) -> list[Finding]:
    """All failures, those of the implementations with the fewest first, and of each what explains the most first."""
    owners: dict[tuple[str, str], list[Cell]] = {}
    for cell in failures(run):
        owners.setdefault((cell.implementation, cell.spec), []).extend(_by_outcome(cell))
    return [finding for own in owners.values() for finding in _explained(_folded(sorted(own, key=_order)))]


def _explained(own: list[Finding]) -> Iterator[Finding]:
    """The findings of one implementation, the first of each explanation with it."""
    named = {""}
    for finding in own:
        texts = [cell.looks_like for cell in (finding.head, *finding.same)]
        new = next((text for text in texts if text not in named), "")
        named.add(new)
        yield replace(finding, looks_like=new)


def _by_outcome(cell: Cell) -> list[Cell]:
    """The failing rows of a cell, apart where they ended differently: a crash in one dtype is not the error of another."""
    kinds = dict.fromkeys(row["outcome"] for row in cell.failing)
    return [replace(cell, rows=tuple(row for row in cell.failing if row["outcome"] == kind)) for kind in kinds]


def _order(cell: Cell) -> tuple[int, int]:
    outcome = cell.outcome.name
    return (DIED.index(outcome) if outcome in DIED else len(DIED)), _RANK.get(cell.id, len(_RANK))


def _folded(ordered: Iterable[Cell]) -> list[Finding]:
    """Each cell joins the finding before it that explains it best; else it is a finding of its own."""
    folded: list[Finding] = []
    for cell in ordered:
        able = [place for place, finding in enumerate(folded) if _explains(finding.head, cell)]
        if able:
            place = min(able, key=lambda place: _SUBJECT.get(folded[place].head.id) != _about(cell))
            folded[place] = replace(folded[place], same=(*folded[place].same, cell))
        else:
            folded.append(Finding(cell))
    return folded


def _explains(head: Cell, cell: Cell) -> bool:
    """Whether one cause for both is most likely: one exception, or a wrong answer in a dtype that both fail in."""
    if cell.outcome.name != "violates":
        return any(cause(row) == cause(cell.witness) for row in (head.witness, *head.others))
    if head.outcome != cell.outcome:
        return False
    together = set(head.dtypes) & set(cell.dtypes) or not (head.dtypes and cell.dtypes)
    subject = _SUBJECT.get(head.id)
    of_the_output = subject == "out" and cell.id not in _SUBJECT
    return bool(together) and (subject == _about(cell) or of_the_output)


def _about(cell: Cell) -> str:
    """The subject of the property: the output, if nothing else is known."""
    known = _SUBJECT.get(cell.id) or RELATIONS.get(cell.id)
    return known or ("gradients" if cell.id.startswith("G") else "out")


def _same_cause(known: Row, failure: Row) -> bool:
    """Whether the causes are one: the words are the same, or a wrong answer needs all options that the known one needs."""
    (outcome, words), (other, its) = cause(known), cause(failure)
    return outcome == other and (words == its or (outcome == "violates" and words <= its))
