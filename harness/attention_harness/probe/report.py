"""What was found against what is declared, and the declaration that says what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from attention_harness.probe.empty_rows import UNSPECIFIED, implied
from attention_harness.probe.experiments import Observation
from attention_harness.registry.targets import Target
from attention_specs.contract import Conventions, Description
from attention_specs.formats import DTYPES
from attention_specs.precision import default_model, held_to

UNTOLD, MATCHES, COULD, OWED, REFUTED, DIFFERS, NOTED = (
    "not told",
    "matches",
    "could be declared",
    "must be declared",
    "contradicts",
    "differs from the specification",
    "noted",
)


@dataclass(frozen=True)
class Probed:
    """Everything that was found out about one implementation."""

    target: Target
    description: Description
    found: Sequence[Observation]

    def held(self, found: Observation) -> Any:
        """The declared value, or the default where nothing is declared."""
        if found.kind == "precision":
            return held_to(self.description.precision, found.name.split()[1])
        if found.kind in ("dtypes", "layout"):
            return getattr(self.description, found.kind)
        return getattr(self.description.conventions, found.name, None) if found.kind == "convention" else found.fixed

    def is_declared(self, found: Observation) -> bool:
        """Whether the author wrote that down, so that it is no default."""
        if found.kind == "precision":
            return found.name.split()[1] in self.description.precision
        return found.name in self.description.declared

    def verdict(self, found: Observation) -> str:
        """How what was found and what is declared stand to each other."""
        if found.kind == "domain":
            return NOTED
        if found.differs:
            return REFUTED if self.is_declared(found) else DIFFERS
        if found.value is None:
            return UNTOLD
        if found.kind == "fixed" or _same(found, self.held(found)):
            return MATCHES
        if not found.refuted and _stronger(found, self.held(found)):
            return COULD
        return REFUTED if self.is_declared(found) else OWED

    def having(self, *verdicts: str) -> list[Observation]:
        """What was found that has one of these verdicts."""
        return [found for found in self.found if self.verdict(found) in verdicts]

    @property
    def answered(self) -> bool:
        """Whether anything at all could be told."""
        return any(found.value is not None for found in self.found)

    @property
    def matches(self) -> bool:
        """Whether no experiment refutes what is declared, defaults included."""
        return not self.having(OWED, REFUTED, DIFFERS)

    @property
    def wrong(self) -> bool:
        """Whether an experiment refutes a declaration, or finds a behaviour that no declaration covers. A missing one is not wrong."""
        return bool(self.having(REFUTED, DIFFERS))

    def declaration(self) -> dict[str, Any]:
        """Attribute -> value, of what differs from the defaults."""
        told = [found for found in self.found if found.value is not None and not found.differs]
        conventions = {f.name: f.value for f in told if f.kind == "convention" and f.value != getattr(Conventions(), f.name)}
        by_dtype = {f.name.split()[1]: f.value for f in told if f.kind == "precision"}
        precision = {dtype: model for dtype, model in by_dtype.items() if model != default_model(dtype)}
        dtypes = next((f.value for f in told if f.kind == "dtypes" and set(f.value) != set(DTYPES)), None)
        layout = next((f.value for f in told if f.kind == "layout" and f.value != Description.layout), None)
        facts = {"layout": layout, "dtypes": dtypes, "conventions": conventions, "precision": precision}
        return {name: value for name, value in facts.items() if value}

    def to_json(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        rows = [
            {"name": f.name, "value": f.value, "held_to": self.held(f), "declared": self.is_declared(f),
             "verdict": self.verdict(f), "evidence": f.evidence}
            for f in self.found
        ]  # fmt: skip
        return {"target": self.target.name, "found": rows, "declaration": self.declaration(), "matches": self.matches}


def _same(found: Observation, held: Any) -> bool:
    """Equal; of dtypes, also where nothing is declared; of empty rows, in each form and dtype that was asked; of models, in any order."""
    if found.kind == "dtypes":
        return held is None or set(held) == set(found.value)
    if found.asked:
        return all(said == value for said, value in _rows(found, held))
    if found.kind == "precision":
        return set(found.value.split("+")) == set(held.split("+"))
    return bool(found.value == held)


def _rows(found: Observation, held: Any) -> Iterator[tuple[str, str]]:
    """Of each form and dtype of empty rows that was asked: what is declared, and what was found."""
    for dtype, forms in found.asked.items():
        yield from ((implied(held, form, forms, dtype), value) for form, value in forms.items())


def _stronger(found: Observation, held: Any) -> bool:
    """More than what is declared: a promise that nobody made, a tighter model, a further dtype."""
    if found.kind == "dtypes":
        return set(held) < set(found.value)
    if found.asked:
        return all(said in (value, UNSPECIFIED) for said, value in _rows(found, held))
    if found.name == "masked_nan_safe":
        return not held or found.value is True
    return found.kind == "precision" or (held is False and found.value is True)
